"""After the answer: one event, and the tokens back where nothing was sent."""

import msgspec
import pytest

from guard.core.pricing import Price
from guard.core.stages import Allow
from guard.model.decision import About, DecisionEvent, Deny
from guard.model.exchange import Sent
from guard.model.facts import Facts
from guard.model.names import KeyId, UnixMs
from guard.model.questions import Charge, Debit
from guard.service.aftermath import Aftermath, Outcome
from guard.service.judge import Judgement
from guard.state.memory import MemoryLimits
from guard.telemetry.meter import Meter
from guard.telemetry.tally import Key, Tally
from tests.build import NOW, facts, limit, signed, slots
from tests.line import decided


class Store(MemoryLimits):
    """Memory that tells what was given back."""

    def __init__(self) -> None:
        super().__init__(UnixMs(0))
        self.refunded: list[str] = []
        self.settled: list[tuple[str, tuple[int, ...]]] = []
        self.released: list[str] = []

    async def refund(self, charge: Charge) -> None:
        self.refunded.append(charge.id)

    async def settle(self, charge: Charge, costs: tuple[int, ...]) -> None:
        self.settled.append((charge.id, costs))

    async def release(self, charge: Charge) -> None:
        self.released.append(charge.id)


_PAID = Charge(id="req_test", now=NOW)
_HELD = Charge(id="req_test", now=NOW, hold_ms=11_000)
_ROOM = Charge(id="req_test/address", now=NOW, hold_ms=21_000)


async def _concluded(
    message: Facts, judgement: Judgement, sent: Sent = Sent.NO, store: Store | None = None, cost: int | None = None
) -> DecisionEvent:
    events: list[DecisionEvent] = []
    aftermath = Aftermath(
        store or Store(), events.append, lambda key_id: f"tag:{key_id}", lambda at: f"at:{at}", Meter()
    )
    outcome = Outcome(status=200, sent=sent, cost=cost, guard_us=7, upstream_us=9, bytes_in=1, bytes_out=2)
    await aftermath.conclude(message, judgement, outcome)
    [event] = events
    return event


def _allowed() -> Allow:
    outcome = decided(signed(), body=b"")
    assert isinstance(outcome, Allow)
    return outcome


@pytest.mark.parametrize(("sent", "refunded"), [(Sent.NO, ["req_test"]), (Sent.UNKNOWN, []), (Sent.YES, [])])
async def test_tokens_are_given_back_only_where_not_one_byte_was_sent(sent: Sent, refunded: list[str]) -> None:
    store = Store()
    await _concluded(signed(), Judgement(outcome=_allowed(), reached=_allowed(), paid=_PAID), sent, store)
    assert store.refunded == refunded


@pytest.mark.parametrize("sent", [Sent.UNKNOWN, Sent.YES])
async def test_slots_are_released_once_the_exchange_is_over_and_only_where_some_are_held(sent: Sent) -> None:
    store, allowed = Store(), _allowed()
    await _concluded(signed(), Judgement(outcome=allowed, reached=allowed, paid=_PAID), sent, store)
    assert store.released == []
    await _concluded(signed(), Judgement(outcome=allowed, reached=allowed, paid=_HELD, room=_ROOM), sent, store)
    assert (store.released, store.refunded) == (["req_test", "req_test/address"], [])


async def test_slots_of_what_was_never_sent_are_given_back_with_its_tokens_in_one_question() -> None:
    store, allowed = Store(), _allowed()
    await _concluded(signed(), Judgement(outcome=allowed, reached=allowed, paid=_HELD), Sent.NO, store)
    assert (store.released, store.refunded) == ([], ["req_test"])


async def test_slots_of_an_address_are_released_whatever_was_decided() -> None:
    store = Store()
    await _concluded(signed(), Judgement(outcome=Deny(code="auth.missing"), reached=None, room=_ROOM), store=store)
    assert store.released == ["req_test/address"]


async def test_where_nobody_wants_events_tokens_are_given_back_all_the_same() -> None:
    store = Store()
    allowed, outcome = _allowed(), Outcome(status=502, sent=Sent.NO, guard_us=7)
    aftermath = Aftermath(store, None, str, str, Meter())
    await aftermath.conclude(signed(), Judgement(outcome=allowed, reached=allowed, paid=_PAID), outcome)
    assert store.refunded == ["req_test"]


async def test_an_allowed_message_is_logged_with_its_key_hidden_behind_a_tag() -> None:
    event = await _concluded(signed(), Judgement(outcome=_allowed(), reached=_allowed(), paid=_PAID), Sent.YES)
    assert (event.decision, event.reason, event.ts) == ("allow", None, f"at:{NOW}")
    assert (event.key, event.account, event.scheme) == ("tag:gk_test", "acme", "guard-v1")
    assert (event.service, event.route, event.method) == ("exchange", "POST /v1/orders", "POST")
    assert (event.guard_us, event.upstream_us, event.bytes_in, event.bytes_out) == (7, 9, 1, 2)


async def test_a_message_without_a_route_is_logged_with_what_is_known() -> None:
    event = await _concluded(facts(), Judgement(outcome=Deny(code="route.unknown"), reached=None))
    assert (event.decision, event.reason, event.ip) == ("deny", "route.unknown", "192.0.2.1")
    assert (event.service, event.key, event.account) == (None, None, None)


async def test_a_claimed_key_is_logged_and_its_account_only_once_it_is_proved() -> None:
    allowed = _allowed()
    unproved = Judgement(outcome=Deny(code="auth.bad_signature"), reached=allowed.verified.identified)
    event = await _concluded(signed(), unproved)
    assert (event.key, event.account) == ("tag:gk_test", None)
    proved = Judgement(outcome=Deny(code="limit.key"), reached=allowed.verified)
    assert (await _concluded(signed(), proved)).account == "acme"


async def test_the_skew_of_a_clock_is_logged() -> None:
    late = signed(at=UnixMs(NOW - 40))
    outcome = decided(late, body=b"")
    assert isinstance(outcome, Allow)
    assert (await _concluded(late, Judgement(outcome=outcome, reached=outcome))).skew_ms == 40
    stale = Deny(code="auth.stale", skew_ms=9000)
    assert (await _concluded(facts(), Judgement(outcome=stale, reached=None))).skew_ms == 9000


async def _counted(judgement: Judgement, outcome: Outcome) -> Tally:
    meter = Meter()
    await Aftermath(Store(), None, str, str, meter).conclude(signed(), judgement, outcome)
    return meter.tally()


def _decisions(tally: Tally) -> dict[Key, int]:
    return {key[1:]: count for key, count in tally.counts.items() if key[0] == "guard_decisions_total"}


_ROUTE = ("exchange", "POST /v1/orders")


async def test_an_allowed_message_is_counted_with_what_guard_added_and_what_its_backend_took() -> None:
    allowed = _allowed()
    tally = await _counted(
        Judgement(outcome=allowed, reached=allowed), Outcome(status=200, sent=Sent.YES, guard_us=7, upstream_us=9)
    )
    assert _decisions(tally) == {(*_ROUTE, "allow", "", "enforce"): 1}
    assert tally.timings["guard_added_latency_seconds", "allow"][-1] == 7
    assert tally.timings["guard_upstream_latency_seconds", "exchange"][-1] == 9


async def test_what_was_allowed_and_not_answered_is_counted_with_its_reason() -> None:
    allowed = _allowed()
    outcome = Outcome(status=502, sent=Sent.NO, guard_us=7, code="upstream.unreachable")
    tally = await _counted(Judgement(outcome=allowed, reached=allowed), outcome)
    assert _decisions(tally) == {(*_ROUTE, "allow", "upstream.unreachable", "enforce"): 1}
    assert ("guard_upstream_latency_seconds", "exchange") not in tally.timings


async def test_a_denied_message_is_counted_by_its_true_reason_and_one_without_a_route_without_it() -> None:
    outcome = Outcome(status=401, sent=Sent.NO, guard_us=7)
    identified = _allowed().verified.identified
    tally = await _counted(Judgement(outcome=Deny(code="auth.bad_signature"), reached=identified), outcome)
    assert _decisions(tally) == {(*_ROUTE, "deny", "auth.bad_signature", "enforce"): 1}
    assert tally.timings["guard_added_latency_seconds", "deny"][-1] == 7
    tally = await _counted(Judgement(outcome=Deny(code="route.unknown"), reached=None), outcome)
    assert _decisions(tally) == {("", "", "deny", "route.unknown", "enforce"): 1}


async def test_what_a_shadow_rule_would_have_denied_is_counted_beside_what_was_decided() -> None:
    allowed = msgspec.structs.replace(_allowed(), shadow=(Deny(code="limit.key"),))
    outcome = Outcome(status=200, sent=Sent.YES, guard_us=7)
    tally = await _counted(Judgement(outcome=allowed, reached=allowed), outcome)
    assert _decisions(tally) == {(*_ROUTE, "allow", "", "enforce"): 1, (*_ROUTE, "deny", "limit.key", "shadow"): 1}


def _settled_debits() -> Charge:
    of_cost, of_requests = limit("key"), msgspec.structs.replace(limit("requests"), cost=1)
    debits = (Debit(("x", "key"), of_cost, 5), Debit(("x", "requests"), of_requests, 1), Debit(("x", "s"), slots(), 1))
    return Charge(id="req_test", now=NOW, debits=debits, hold_ms=11_000)


async def test_what_an_answer_says_that_it_cost_is_settled_with_the_limits_that_count_costs() -> None:
    store, allowed = Store(), _allowed()
    judgement = Judgement(outcome=allowed, reached=allowed, paid=_settled_debits())
    event = await _concluded(signed(), judgement, Sent.YES, store, cost=9)
    assert (store.settled, store.released, store.refunded) == ([("req_test", (9, 1, 1))], [], [])
    assert event.cost == 9


async def test_what_was_never_sent_is_refunded_and_what_was_not_told_stays_as_it_was_held() -> None:
    store, allowed = Store(), _allowed()
    judgement = Judgement(outcome=allowed, reached=allowed, paid=_settled_debits())
    await _concluded(signed(), judgement, Sent.NO, store, cost=9)
    assert (store.settled, store.refunded) == ([], ["req_test"])
    event = await _concluded(signed(), judgement, Sent.YES, store)
    assert (store.settled, store.released) == ([], ["req_test"])
    assert event.cost == 1


async def test_the_cost_that_was_read_out_of_a_message_is_logged() -> None:
    allowed = _allowed()
    priced = msgspec.structs.replace(allowed, verified=msgspec.structs.replace(allowed.verified, price=Price(7)))
    for judgement in (
        Judgement(outcome=priced, reached=priced),
        Judgement(outcome=Deny(code="limit.key"), reached=priced.verified),
    ):
        assert (await _concluded(signed(), judgement, Sent.YES)).cost == 7


async def test_the_use_of_a_honeytoken_raises_the_alarm_and_nothing_else_does() -> None:
    told: list[tuple[str, str, str]] = []
    aftermath = Aftermath(Store(), None, str, str, Meter(), alarm=lambda *what: told.append(what))
    about, outcome = About(KeyId("gk_bait"), "guard-v1"), Outcome(status=401, sent=Sent.NO, guard_us=7)
    for code in ("auth.unknown_key", "auth.honeytoken"):
        judgement = Judgement(outcome=Deny(code=code, about=about), reached=None)
        await aftermath.conclude(facts(), judgement, outcome)
    assert told == [("gk_bait", "192.0.2.1", "req_test")]
