"""The line before forwarding: pure step, one question, pure step, one question. Who reads `judge` has read it all.

No rule lives here. Each step is `core/decide.py`'s; this file asks the store what the step before worded, reads the
body when a step says that it may be read, and gives back what a later No has made void.
"""

from asyncio import Future
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import msgspec
from msgspec import structs

from guard.core import decide
from guard.core.stages import Allow, Entered, Identified, Routed, Screened, Signed, Verified
from guard.core.standing import address_standing, holder_delay_ms
from guard.model.bans import NO_BANS, Ban
from guard.model.decision import Deny
from guard.model.facts import Body, BodyRead, Facts
from guard.model.keys import KeyRecord
from guard.model.names import UnixMs
from guard.model.policy import Service
from guard.model.questions import Charge, Granted, Receipt, Short, Unavailable
from guard.service.patience import Patience
from guard.service.rulebook import Rulebook, Rules
from guard.state.ban_board import BanBoard
from guard.state.protocols import KeyDirectory, LimitStore
from guard.wire.problem import GATEWAY

ReadBody: TypeAlias = Callable[[Signed], Awaitable[Body]]
"""How the edge reads the body. It takes the proof that the body may be read; it never raises for what a client does."""

Answer: TypeAlias = "Receipt | Future[Receipt]"

Stage: TypeAlias = Routed | Entered | Identified | Screened | Signed | Verified | Allow


class Judgement(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What was decided, the last stage that held (None: not even a route), and the charge that was paid.

    `room` is the charge of its address, if that holds slots, to be released whatever was decided.
    """

    outcome: Allow | Deny
    reached: Stage | None
    paid: Charge | None = None
    room: Charge | None = None

    @property
    def shed(self) -> bool:
        """Whether it was refused at once, because there is no room for it."""
        outcome = self.outcome
        return isinstance(self.reached, Routed) and isinstance(outcome, Deny) and outcome.code == "gateway.overloaded"

    @property
    def identified(self) -> Identified | None:
        """The message with what it claims, if it came so far."""
        match self.reached:
            case Allow():
                return self.reached.verified.identified
            case Verified() | Screened():
                return self.reached.identified
            case Signed():
                return self.reached.screened.identified
            case Identified():
                return self.reached
            case _:
                return None

    @property
    def realm(self) -> str:
        """Who refuses: the service, if the message came so far."""
        routed = self.routed
        return GATEWAY if routed is None else routed.service.name

    @property
    def routed(self) -> Routed | Identified | None:
        """The message with its service, route and address, if it came so far."""
        reached = self.reached
        if isinstance(reached, Allow):  # almost every message
            return reached.verified.identified
        if isinstance(reached, Entered):
            return reached.routed
        return reached if isinstance(reached, Routed) else self.identified

    @property
    def shadow(self) -> tuple[Deny, ...]:
        """What rules in shadow would have denied, as far as the message came. What was asked again is told once."""
        reached, outcome = self.reached, self.outcome
        found = () if reached is None or isinstance(reached, Routed) else reached.shadow
        if isinstance(outcome, Deny):
            found = (*found, *outcome.shadow)
        first: dict[str, Deny] = {}
        for deny in found:
            first.setdefault(deny.code, deny)
        return tuple(first.values())


class Judge:
    """The decision on one message after another. Holds no state between them but where the rules in force are found.

    `strain` tells for a service how strained the gateway is, or its backend: messages less urgent must wait. `obstacle`
    tells why its backend cannot take a request now (the code of a reason), None if it can. Reading a body takes at most
    `body_ms_max`. `clock_is_sure` tells whether `now` can be trusted: else nothing signed is judged. `board` has the
    bans in force; whom one of them slows waits in `patience`.
    """

    def __init__(
        self,
        rules: Rules,
        keys: KeyDirectory,
        limits: LimitStore,
        now: Callable[[], UnixMs],
        *,
        strain: Callable[[Service], int] = lambda _: 0,
        obstacle: Callable[[Service], str | None] = lambda _: None,
        body_ms_max: int = 0,
        clock_is_sure: Callable[[], bool] = lambda: True,
        board: BanBoard | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.rules = rules
        self._strain = strain
        self._obstacle = obstacle
        self._clock_is_sure = clock_is_sure
        self._keys = keys
        self._limits = limits
        self._now = now
        self._body_ms_max = body_ms_max
        self._board = BanBoard() if board is None else board
        self._patience = Patience() if patience is None else patience

    async def judge(self, facts: Facts, read_body: ReadBody) -> Judgement:
        """May this message go to its backend? Nothing reaches a backend before the answer is an Allow."""
        rules = self.rules.current  # once: a message is judged to its end by the rules that it met
        routed = decide.route(rules.policies, facts)
        if isinstance(routed, Deny):
            return Judgement(outcome=routed, reached=None)
        kept_out = decide.let_in(routed, self._strain(routed.service), self._keys.halts)
        if kept_out is not None:
            return Judgement(outcome=kept_out, reached=routed)
        now, bans = self._now(), self._board.bans
        held = () if bans is NO_BANS else address_standing(bans, routed, now)
        question = decide.room(routed, now, self._body_ms_max, held)
        room = None if question is None else self._limits.ask(question)
        if routed.route.auth is None and isinstance(room, Future):
            room = await room
        judgement = await self._entered(rules, routed, room, now, read_body, held=held)
        if question is None or not question.hold_ms:
            return judgement
        taken = await room if isinstance(room, Future) else room
        return structs.replace(judgement, room=question) if isinstance(taken, Granted) else judgement

    @property
    def may_wait(self) -> bool:
        """Whether judging may take its time though no store is asked: somebody is slowed."""
        return self._board.bans.may_slow

    def still(self, allow: Allow) -> Deny | None:
        """Whether what was admitted may still go, asked directly before its first byte does."""
        now = self._now()
        return decide.still(allow, self._record(allow.record, now), now, self._keys.halts)

    async def _entered(
        self,
        rules: Rulebook,
        routed: Routed,
        room: "Answer | None",
        now: UnixMs,
        read_body: ReadBody,
        *,
        held: tuple[Ban, ...],
    ) -> Judgement:
        """Judge a message whose address was asked for: `room` is the answer, or it comes with the next one."""
        late = room if isinstance(room, Future) else None
        at_hand = None if isinstance(room, Future) else room
        entered = decide.enter(routed, at_hand, held=held, now=now, crowded=self._patience.is_full)
        if isinstance(entered, Deny):
            return Judgement(outcome=entered, reached=routed)
        if entered.delay_ms:
            await self._patience.wait(entered.delay_ms)
            now = self._now()
        identified = decide.identify(entered, rules.schemes, now, clock_is_sure=self._clock_is_sure())
        if isinstance(identified, Deny):
            return Judgement(outcome=identified, reached=entered)
        claim, facts = identified.claim, identified.facts
        screened = decide.screen(identified, None if claim is None else self._keys.find(claim.key_id, now))
        if isinstance(screened, Deny):
            return Judgement(outcome=screened, reached=identified)
        signed = decide.verify_head(screened)
        if isinstance(signed, Deny):
            return Judgement(outcome=signed, reached=screened)
        body: Body | None = None  # that of an open route is not read here: it streams
        if facts.body is not None:
            body = BodyRead(facts.body)
        elif identified.auth is not None:
            body = await read_body(signed)
            now = self._now()
        verified = decide.verify(signed, body, now, self._board.bans)
        if isinstance(verified, Deny):
            return Judgement(outcome=verified, reached=signed)
        return await self._admission(verified, late, now)

    async def _admission(self, verified: Verified, late: "Future[Receipt] | None", now: UnixMs) -> Judgement:
        bans = self._board.bans
        service, route = verified.identified.service, verified.identified.route
        delay_ms = 0 if bans is NO_BANS else holder_delay_ms(bans, verified.record, service, route, now)
        crowded = delay_ms > 0 and self._patience.is_full
        if delay_ms and not crowded:
            await self._patience.wait(delay_ms)
            now = self._now()
        obstacle = self._obstacle(service)
        question = decide.charge(verified, now, obstacle, self._keys.halts, bans, crowded=crowded)
        if isinstance(question, Deny):
            burnt = decide.burn(verified, now)
            if burnt is not None:
                await self._limits.charge(burnt)
            return Judgement(outcome=question, reached=verified)
        receipt = Granted(now, ()) if question is None else await self._limits.charge(question)
        if not isinstance(receipt, Granted | Short | Unavailable):
            stranger = decide.disown(verified, receipt, now)
            if stranger is not None:
                return await self._admission(stranger, late, now)
        room = None if late is None else await late
        now = self._now()
        outcome = decide.admit(verified, receipt, self._record(verified.record, now), now, room, halts=self._keys.halts)
        if isinstance(outcome, Deny):
            if isinstance(receipt, Granted) and question is not None:
                await self._void(question, verified)
            return Judgement(outcome=outcome, reached=verified)
        if verified.record is not None:
            self._keys.touch(verified.record.id, outcome.admitted_at)
        return Judgement(outcome=outcome, reached=outcome, paid=question)

    async def _void(self, question: Charge, verified: Verified) -> None:
        """Give back what a later No has made void. What names no cost that can be told has paid for being read."""
        if verified.price is None or verified.price.fault is None:
            await self._limits.refund(question)
        elif question.hold_ms:
            await self._limits.release(question)

    def _record(self, record: KeyRecord | None, now: UnixMs) -> KeyRecord | Unavailable | None:
        return None if record is None else self._keys.find(record.id, now)
