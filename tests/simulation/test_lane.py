"""The lane that reduces risk: whatever floods the gateway, cancels keep their room. Over the whole line in memory."""

import pytest

from guard.core.stages import Allow
from guard.model.abuse import Action, SubjectKind
from guard.model.decision import Deny
from guard.model.facts import BodyRead, Facts
from guard.model.names import RequestId, UnixMs
from guard.service.judge import Judge
from guard.service.patience import Patience
from guard.service.policies import Rulebook, Rules
from guard.state.ban_board import BanBoard
from guard.state.memory import MemoryLimits
from tests.build import KEY_ID, NOW, ban, record, signed
from tests.directory import Keys
from tests.policy_text import HEAD, loaded

POLICY = (
    HEAD
    + """
limits:
  ip:      {per: [ip], rate: 50/s, burst: 100, reserve: 10}
  key:     {per: [key], rate: 20/s, burst: 40, except: [cancels]}
  account: {per: [account], rate: 30/s, burst: 60, reserve: 5}
  cancels: {per: [account], rate: 100/s, routes: [cancels]}
  pending: {per: [key], concurrent: 50, reserve: 5}
routes:
  POST /v1/orders: {scope: trade, group: orders}
  DELETE /v1/orders/{id}: {scope: trade, group: cancels, priority: critical}
"""
)


_WATCHED = """
abuse:
  signals:
    forgery: {on: auth.bad_signature, per: ip, points: 1}
  ladder:
    - {at: 60, action: quarantine, for: 15m}
"""


class _Nobody(Patience):
    """Has a place for nobody who must wait."""

    def __init__(self) -> None:
        super().__init__(sleepers_max=0)

    async def wait(self, delay_ms: int) -> None:
        raise AssertionError(f"a cancel had to wait for {delay_ms} ms")


class Exchange:
    """A gateway whose key floods it."""

    def __init__(self, text: str) -> None:
        rules = loaded(text)
        book = Rulebook(policies=rules.policies, schemes=rules.schemes)
        store = MemoryLimits(UnixMs(NOW - 1_000_000))
        self.board = BanBoard()
        self.judge = Judge(Rules(book), Keys(record()), store, lambda: NOW, board=self.board, patience=_Nobody())
        self.sent = 0

    async def code(self, verb: str, path: bytes) -> str:
        self.sent += 1
        message: Facts = signed(verb, path, nonce=f"nonce-{self.sent:020d}", request_id=RequestId(f"req_{self.sent}"))
        outcome = (await self.judge.judge(message, self.read)).outcome
        assert isinstance(outcome, Allow | Deny)
        return outcome.code if isinstance(outcome, Deny) else "allow"

    async def read(self, _: object) -> BodyRead:
        return BodyRead(b"")

    async def flood(self) -> set[str]:
        return {await self.code("POST", b"/v1/orders") for _ in range(300)}


async def test_cancels_pass_in_a_flood_of_orders_of_their_own_key_and_address() -> None:
    exchange = Exchange(POLICY)
    assert await exchange.flood() == {"allow", "limit.key", "limit.ip"}
    assert [await exchange.code("DELETE", b"/v1/orders/o-1") for _ in range(5)] == ["allow"] * 5


@pytest.mark.parametrize(
    ("safeguard", "without", "refused"),
    [
        (", reserve: 10}", "}", "limit.ip"),
        (", except: [cancels]}", "}", "limit.key"),
    ],
)
async def test_without_either_safeguard_they_do_not(safeguard: str, without: str, refused: str) -> None:
    exchange = Exchange(POLICY.replace(safeguard, without))
    await exchange.flood()
    assert await exchange.code("DELETE", b"/v1/orders/o-1") == refused


async def test_cancels_have_their_reserve_of_what_others_hold_at_once() -> None:
    held = POLICY.replace("burst: 40, except", "burst: 4000, except").replace("rate: 50/s, burst: 100", "rate: 5000/s")
    exchange = Exchange(held.replace("rate: 30/s, burst: 60", "rate: 5000/s"))
    assert await exchange.flood() == {"allow", "limit.pending"}
    assert [await exchange.code("DELETE", b"/v1/orders/o-1") for _ in range(6)] == ["allow"] * 5 + ["limit.pending"]


@pytest.mark.parametrize("action", [Action.SLOW, Action.THROTTLE, Action.QUARANTINE])
@pytest.mark.parametrize(
    ("kind", "name"), [(SubjectKind.IP, "192.0.2.1"), (SubjectKind.KEY, KEY_ID), (SubjectKind.ACCOUNT, "acme")]
)
async def test_cancels_have_their_reserve_whatever_milder_than_a_ban_is_in_force(
    action: Action, kind: SubjectKind, name: str
) -> None:
    exchange = Exchange(POLICY + _WATCHED)
    await exchange.flood()
    exchange.board.put(ban(kind, name, action=action, delay_ms=250, percent=1), NOW)
    assert [await exchange.code("DELETE", b"/v1/orders/o-1") for _ in range(5)] == ["allow"] * 5
