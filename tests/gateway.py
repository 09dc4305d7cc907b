"""A gateway as `app/` puts it together, over memory: its judge, the line after the answer, its watch for abuse; without
sockets, and on a clock that tests turn.
"""

from collections.abc import Sequence

from guard.core.pricing import settled_cost
from guard.core.stages import Signed
from guard.model.decision import DecisionEvent, Deny
from guard.model.exchange import Sent
from guard.model.facts import Body, BodyRead, Facts, Field
from guard.model.names import UnixMs
from guard.service.aftermath import Aftermath, Outcome
from guard.service.at_once import at_once
from guard.service.judge import Judge, Judgement
from guard.service.patience import Patience
from guard.service.rulebook import Rulebook, Rules
from guard.service.watch import Watch
from guard.state.ban_board import BanBoard
from guard.state.memory import MemoryLimits
from guard.state.scores import MemoryScores
from guard.telemetry.decision_log import timestamp
from guard.telemetry.meter import Meter
from tests.directory import Keys

_DAY_MS = 86_400_000


class Gateway:
    """Full buckets, nobody banned. `waits` says that whoever is slowed turns the clock; else they wait for nothing."""

    def __init__(
        self, rules: Rulebook, now: UnixMs, *, waits: bool = False, scores: MemoryScores | None = None
    ) -> None:
        self.now = now
        self.keys = Keys()
        self._events: list[DecisionEvent] = []
        limits = MemoryLimits(UnixMs(now - _DAY_MS), filled_since=UnixMs(0))
        self.watch = Watch(
            *(lambda: rules.policies, scores or MemoryScores(), BanBoard(), lambda: self.now),
            chance=lambda below: below // 2,
            meter=Meter(),
        )
        self._judge = Judge(
            *(Rules(rules), self.keys, limits, lambda: self.now),
            board=self.watch.board,
            patience=_Waiting(self) if waits else _Hurrying(),
        )
        self._aftermath = Aftermath(limits, self._events.append, str, timestamp, Meter(), watch=self.watch)

    def judge(self, facts: Facts, content: bytes) -> Judgement:
        """What is decided about a message whose body comes behind its head."""

        async def read(_: Signed) -> Body:
            return BodyRead(content)

        judgement = at_once(self._judge.judge(facts, read))
        if isinstance(judgement.outcome, Deny):
            return judgement
        assert self._judge.still(judgement.outcome) is None
        return judgement

    def conclude(
        self, facts: Facts, judgement: Judgement, *, status: int = 200, fields: Sequence[Field] = (), lost: bool = False
    ) -> DecisionEvent:
        """Its line of the decision log, once its backend has answered so; `lost`: it could not be reached."""
        outcome, cost = judgement.outcome, None
        sent = Sent.NO if lost or isinstance(outcome, Deny) else Sent.YES
        if sent is Sent.YES and not isinstance(outcome, Deny) and outcome.route.settlement is not None:
            cost = settled_cost(outcome.route.settlement, status, fields)
        code = "upstream.unreachable" if lost else None
        came = Outcome(status=502 if lost else status, sent=sent, code=code, cost=cost, guard_us=0)
        at_once(self._aftermath.conclude(facts, judgement, came))
        return self._events.pop()


class _Hurrying(Patience):
    async def wait(self, delay_ms: int) -> None:
        """Nobody waits."""


class _Waiting(Patience):
    def __init__(self, gateway: Gateway) -> None:
        super().__init__()
        self._gateway = gateway

    async def wait(self, delay_ms: int) -> None:
        self._gateway.now = UnixMs(self._gateway.now + delay_ms)
