"""The line with its questions asked: what is spent, read and given back, and what is not."""

from asyncio import Future, get_running_loop
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from guard.core.stages import Allow, Signed
from guard.model.decision import Deny
from guard.model.facts import Body, BodyRead, Facts
from guard.model.halts import HaltKind
from guard.model.keys import KeyState
from guard.model.names import KeyId, RequestId, UnixMs
from guard.model.policy import PolicySet
from guard.model.pricing import ByItems
from guard.model.questions import Charge, Receipt, Unavailable
from guard.model.rules import Mode
from guard.service.judge import Judge, Judgement
from guard.service.policies import Rulebook, Rules
from guard.state.memory import MemoryLimits
from tests.build import NOW, auth, facts, halt, limit, policies, record, route, rule, service, signed, slots
from tests.directory import Keys
from tests.line import SCHEMES

_BORN = UnixMs(NOW - 1_000_000)


class Store(MemoryLimits):
    """Memory that can be counted, can be down, and can answer later (`slow`: at the next turn of the loop)."""

    def __init__(self) -> None:
        super().__init__(_BORN)
        self.asked: list[Charge] = []
        self.refunded: list[Charge] = []
        self.down = self.slow = False
        self.meanwhile: Callable[[], object] = lambda: None

    def ask(self, charge: Charge) -> Receipt | Future[Receipt]:  # type: ignore[override]  # memory answers at once
        self.asked.append(charge)
        if charge.once is not None:
            self.meanwhile()
        receipt = Unavailable("limits") if self.down else super().ask(charge)
        if not self.slow:
            return receipt
        loop = get_running_loop()
        answer: Future[Receipt] = loop.create_future()
        loop.call_soon(answer.set_result, receipt)
        return answer

    async def charge(self, charge: Charge) -> Receipt:
        answer = self.ask(charge)
        return await answer if isinstance(answer, Future) else answer

    async def refund(self, charge: Charge) -> None:
        self.refunded.append(charge)
        await super().refund(charge)


class Line:
    """A judge with its store, keys and clock at hand, and a body to read."""

    def __init__(self, rules: PolicySet | None = None, body_ms_max: int = 0, keys: Keys | None = None) -> None:
        self.store = Store()
        self.keys = keys or Keys(record())
        self.now = NOW
        self.bodies_read = 0
        self.body: Body = BodyRead(b"")
        book = Rules(Rulebook(policies=rules or _limited(), schemes=SCHEMES))
        self.obstacle: str | None = None
        self.strain = 0
        self.judge = Judge(
            book,
            self.keys,
            self.store,
            lambda: self.now,
            strain=lambda service: self.strain if service.name == "exchange" else 0,
            obstacle=lambda service: self.obstacle if service.name == "exchange" else None,
            body_ms_max=body_ms_max,
        )

    async def read(self, signed_head: Signed) -> Body:
        assert isinstance(signed_head, Signed)
        self.bodies_read += 1
        return self.body

    async def judged(self, message: Facts) -> Judgement:
        return await self.judge.judge(message, self.read)

    async def code(self, message: Facts) -> str:
        outcome = (await self.judged(message)).outcome
        return outcome.code if isinstance(outcome, Deny) else "allow"


def _limited(capacity: int = 3) -> PolicySet:
    per_key, per_ip = limit("key", capacity=capacity), limit("ip", capacity=100, per=("ip",))
    return policies(
        service(
            route(limits_principal=(per_key,), limits_address=(per_ip,)),
            route("GET", "/v1/orders", limits_principal=(per_key,), scope="read"),
            route("GET", "/v1/time", auth=None, scope=None),
        )
    )


def _again(number: int) -> Facts:
    """Another order of the same key."""
    return signed(nonce=f"nonce-{number:020d}", request_id=RequestId(f"req_{number}"))


async def test_an_allowed_message_is_charged_once_and_its_key_is_noted_as_used() -> None:
    line = Line()
    judgement = await line.judged(signed())
    assert isinstance(judgement.outcome, Allow)
    assert judgement.paid is not None
    assert line.keys.touched == [record().id]


async def test_a_replay_is_refused_and_spends_no_token() -> None:
    line = Line()
    message = signed()
    assert await line.code(message) == "allow"
    again = msgspec.structs.replace(message, request_id="req_second")
    assert await line.code(again) == "auth.replayed"
    outcome = (await line.judged(_again(1))).outcome
    assert isinstance(outcome, Allow)
    [reading] = [r for r in outcome.readings if r.limit.name == "key"]
    assert reading.remaining == 1  # 3, less the first and this one


async def test_a_message_whose_signature_does_not_verify_spends_neither_nonce_nor_token_of_the_key_it_names() -> None:
    line = Line()
    forged = signed(secret=b"forged")
    assert await line.code(forged) == "auth.bad_signature"
    assert [charge.id for charge in line.store.asked] == ["req_test/address"]
    honest = signed()
    outcome = (await line.judged(honest)).outcome
    assert isinstance(outcome, Allow)
    [reading] = [r for r in outcome.readings if r.limit.name == "key"]
    assert reading.remaining == 2


async def test_a_limit_that_is_short_refuses_and_takes_nothing() -> None:
    line = Line()
    codes = [await line.code(_again(n)) for n in range(5)]
    assert codes == ["allow", "allow", "allow", "limit.key", "limit.key"]


async def test_an_order_that_a_limit_refused_cannot_be_executed_later() -> None:
    line = Line(_limited(capacity=1))
    assert await line.code(_again(1)) == "allow"
    refused = _again(2)
    assert await line.code(refused) == "limit.key"
    line.now = UnixMs(NOW + 2000)
    assert await line.code(msgspec.structs.replace(refused, request_id="req_3")) == "auth.replayed"


async def test_an_order_of_a_halted_account_spends_no_token_and_cannot_be_executed_once_the_halt_is_lifted() -> None:
    line = Line(_limited(capacity=1))
    line.keys.halted = (halt(HaltKind.ACCOUNT, "acme"),)
    refused = _again(1)
    assert await line.code(refused) == "authz.halted"
    assert line.store.refunded == []
    line.keys.halted = ()
    assert await line.code(msgspec.structs.replace(refused, request_id="req_2")) == "auth.replayed"
    assert await line.code(_again(3)) == "allow"


async def test_while_everything_is_halted_nobody_is_asked_and_no_body_is_read() -> None:
    line = Line()
    line.keys.halted = (halt(),)
    judgement = await line.judged(signed())
    assert isinstance(judgement.outcome, Deny)
    assert judgement.outcome.code == "gateway.halted"
    assert not judgement.shed
    assert (line.store.asked, line.bodies_read) == ([], 0)


async def test_a_halt_that_comes_while_the_store_is_asked_gives_the_tokens_back() -> None:
    line = Line()
    line.store.meanwhile = lambda: setattr(line.keys, "halted", (halt(),))
    assert await line.code(signed()) == "gateway.halted"
    assert [charge.id for charge in line.store.refunded] == ["req_test"]


async def test_what_is_halted_before_its_first_byte_went_does_not_go() -> None:
    line = Line()
    outcome = (await line.judged(signed())).outcome
    assert isinstance(outcome, Allow)
    assert line.judge.still(outcome) is None
    line.keys.halted = (halt(HaltKind.KEY, record().id),)
    stopped = line.judge.still(outcome)
    assert stopped is not None
    assert stopped.code == "authz.halted"


async def test_an_order_that_its_backend_cannot_take_spends_no_token_and_cannot_be_executed_later() -> None:
    line = Line(_limited(capacity=1))
    line.obstacle = "upstream.breaker_open"
    refused = _again(1)
    assert await line.code(refused) == "upstream.breaker_open"
    line.obstacle = None
    assert await line.code(msgspec.structs.replace(refused, request_id="req_2")) == "auth.replayed"
    assert await line.code(_again(3)) == "allow"


async def test_a_read_that_its_backend_cannot_take_may_be_sent_again_as_it_is() -> None:
    line = Line()
    line.obstacle = "upstream.breaker_open"
    assert await line.code(signed("GET")) == "upstream.breaker_open"
    line.obstacle = None
    assert await line.code(signed("GET")) == "allow"


async def test_a_strained_gateway_refuses_before_anything_is_asked_and_says_that_it_shed() -> None:
    line = Line()
    line.strain = 4
    judgement = await line.judged(signed())
    assert judgement.shed
    assert line.store.asked == []
    line.strain = 0
    assert not (await line.judged(signed())).shed


def _held(per: str) -> PolicySet:
    """One at a time, for each key or address."""
    pending = slots(per=(per,))
    limits: dict[str, Any] = {"limits_address" if per == "ip" else "limits_principal": (pending,)}
    return policies(service(route(**limits), route("GET", "/v1/orders", scope="admin", **limits)))


async def test_who_holds_all_slots_is_refused_until_one_is_released() -> None:
    line = Line(_held("key"))
    first = await line.judged(_again(1))
    assert first.paid is not None
    assert first.paid.hold_ms == route().total_ms + 1_000
    refused = (await line.judged(_again(2))).outcome
    assert isinstance(refused, Deny)
    assert (refused.code, refused.wait_ms) == ("limit.pending", 1_000)
    await line.store.release(first.paid)
    assert await line.code(_again(3)) == "allow"


async def test_what_holds_no_slots_says_so() -> None:
    judgement = await Line().judged(signed())
    assert judgement.paid is not None
    assert (judgement.paid.hold_ms, judgement.room) == (0, None)


async def test_slots_of_an_address_are_held_whatever_is_decided_and_for_as_long_as_a_body_may_take() -> None:
    line = Line(_held("ip"), body_ms_max=5_000)
    forged = await line.judged(signed(secret=b"forged"))
    assert isinstance(forged.outcome, Deny)
    assert forged.room is not None
    assert forged.room.hold_ms == route().total_ms + 5_000 + 1_000
    refused = await line.judged(_again(1))
    assert isinstance(refused.outcome, Deny)
    assert (refused.outcome.code, refused.room) == ("limit.pending", None)
    await line.store.release(forged.room)
    allowed = await line.judged(_again(2))
    assert isinstance(allowed.outcome, Allow)
    assert allowed.room is not None


async def test_slots_are_given_back_at_once_by_a_later_no() -> None:
    line = Line(_held("key"))

    async def read_and_revoke(_: Signed) -> Body:
        line.keys.records[record().id] = record(state=KeyState.DEACTIVATED)
        return BodyRead(b"x")

    assert isinstance((await line.judge.judge(signed(body=b"x"), read_and_revoke)).outcome, Deny)
    line.keys.records[record().id] = record()
    assert await line.code(_again(1)) == "allow"


async def test_a_message_that_may_not_be_sent_takes_no_slot() -> None:
    line = Line(_held("key"))
    assert await line.code(signed("GET")) == "authz.scope"
    assert await line.code(_again(1)) == "allow"


async def test_no_body_is_read_of_a_message_whose_head_is_refused() -> None:
    line = Line()
    for message in (facts(body=None), signed(body=b"x", secret=b"forged"), signed(body=b"x" * 2000)):
        assert await line.code(message) != "allow"
    assert line.bodies_read == 0


async def test_a_body_is_read_once_when_the_head_is_proved() -> None:
    line = Line()
    line.body = BodyRead(b"x")
    assert await line.code(signed(body=b"x")) == "allow"
    assert line.bodies_read == 1


async def test_in_shadow_a_body_is_read_whoever_sends_it_so_that_its_cost_is_told() -> None:
    shadowed = msgspec.structs.replace(auth(), rule=rule("auth", Mode.SHADOW))
    by_items = ByItems(pointer=("orders",), base=1, each=2, per=1, items_max=4)
    per_ip = limit("ip", capacity=100, per=("ip",))
    priced = route(auth=shadowed, pricing=by_items, limits_address=(), limits_principal=(per_ip,))
    line = Line(policies(service(priced)))
    line.body = BodyRead(b'{"orders":[{},{},{}]}')
    unsigned = facts(body=None, fields=((b"content-type", b"application/json"),))
    outcome = (await line.judged(unsigned)).outcome
    assert isinstance(outcome, Allow)
    assert (line.bodies_read, outcome.verified.cost) == (1, 7)


async def test_the_body_of_an_open_route_is_not_read_here() -> None:
    line = Line(policies(service(route(auth=None, scope=None))))
    assert await line.code(facts(body=None)) == "allow"
    assert line.bodies_read == 0


async def test_what_a_limit_in_shadow_would_deny_is_recorded_though_the_credentials_are_refused_next() -> None:
    per_ip = limit("ip", capacity=1, per=("ip",), mode=Mode.SHADOW)
    line = Line(policies(service(route(limits_address=(per_ip,)))))
    judged = [await line.judged(facts(request_id=RequestId(f"req_{number}"))) for number in range(2)]
    assert [[would.code for would in each.shadow] for each in judged] == [[], ["limit.ip"]]
    assert [each.realm for each in judged] == ["exchange", "exchange"]


async def test_what_would_be_denied_before_the_body_came_and_after_is_recorded_once() -> None:
    shadowed = msgspec.structs.replace(auth(), rule=rule("auth", Mode.SHADOW))
    line = Line(policies(service(route(auth=shadowed))))
    line.body = BodyRead(b"x")
    judged = await line.judged(signed(body=b"x", at=UnixMs(NOW - 60_000)))
    assert isinstance(judged.outcome, Allow)
    assert [would.code for would in judged.shadow] == ["auth.stale"]
    unknown = await line.judged(signed(body=b"x", at=UnixMs(NOW - 60_000), key_id=KeyId("gk_unknown")))
    assert [would.code for would in unknown.shadow] == ["auth.stale", "auth.unknown_key"], "where it was found first"


async def test_an_open_route_without_limits_asks_no_store() -> None:
    line = Line()
    assert await line.code(facts("GET", b"/v1/time")) == "allow"
    assert line.store.asked == []


async def test_a_key_revoked_between_the_charge_and_the_admission_gets_its_tokens_back() -> None:
    line = Line()

    async def read_and_revoke(_: Signed) -> Body:
        line.keys.records[record().id] = record(state=KeyState.DEACTIVATED)
        return BodyRead(b"x")

    judgement = await line.judge.judge(signed(body=b"x"), read_and_revoke)
    assert isinstance(judgement.outcome, Deny)
    assert judgement.outcome.code == "auth.revoked_key"
    assert [charge.id for charge in line.store.refunded] == ["req_test"]


@pytest.mark.parametrize("state", [KeyState.SUSPENDED, KeyState.DEACTIVATED, KeyState.COMPROMISED])
async def test_a_key_that_may_not_be_used_is_charged_nothing(state: KeyState) -> None:
    line = Line()
    line.keys.records[record().id] = record(state=state)
    assert await line.code(signed()) != "allow"
    assert [charge.id for charge in line.store.asked] == ["req_test/address"]


async def test_an_address_that_is_asked_for_elsewhere_is_judged_with_the_principal_and_gives_its_tokens_back() -> None:
    one = limit("ip", capacity=1, per=("ip",))
    line = Line(policies(service(route(limits_address=(one,), limits_principal=(limit(),)))))
    line.store.slow = True
    assert await line.code(signed(nonce="first-0123456789-abcdefg")) == "allow"
    assert await line.code(signed(nonce="again-0123456789-abcdefg", request_id=RequestId("req_2"))) == "limit.ip"
    assert [charge.id for charge in line.store.refunded] == ["req_2"]


async def test_an_open_route_waits_for_the_room_of_its_address_before_anything_else() -> None:
    one = limit("ip", capacity=1, per=("ip",))
    line = Line(policies(service(route("GET", auth=None, scope=None, limits_address=(one,)))))
    line.store.slow = True
    assert await line.code(facts("GET")) == "allow"
    assert await line.code(facts("GET", request_id=RequestId("req_2"))) == "limit.ip"


async def test_readings_of_an_address_that_was_asked_for_elsewhere_stand_first() -> None:
    line = Line()
    line.store.slow = True
    outcome = (await line.judged(signed())).outcome
    assert isinstance(outcome, Allow)
    assert [reading.limit.name for reading in outcome.readings] == ["ip", "key"]


async def test_a_charge_names_its_account_key_and_urgency() -> None:
    line = Line()
    await line.judged(signed())
    address, principal = line.store.asked
    assert (address.account, address.key_id) == (None, None)
    assert (principal.account, principal.key_id, principal.critical) == ("acme", "gk_test", False)


async def test_a_key_that_the_store_knows_as_revoked_is_refused_though_its_record_here_says_otherwise() -> None:
    line = Line()
    await line.store.bury(record().account, record().id, UnixMs(NOW + 1000))
    assert await line.code(signed()) == "auth.revoked_key"


@pytest.mark.parametrize("part", ["store", "keys"])
async def test_what_does_not_answer_admits_nothing(part: str) -> None:
    line = Line()
    getattr(line, part).down = True
    assert await line.code(signed()) == "store.unavailable"


async def test_what_was_admitted_may_not_go_once_its_key_is_revoked_or_its_window_has_passed() -> None:
    line = Line()
    outcome = (await line.judged(signed())).outcome
    assert isinstance(outcome, Allow)
    assert line.judge.still(outcome) is None
    line.keys.records[record().id] = record(state=KeyState.DEACTIVATED)
    revoked = line.judge.still(outcome)
    assert revoked is not None
    assert revoked.code == "auth.revoked_key"
    line.keys.records[record().id] = record()
    line.now = UnixMs(NOW + 5001)
    stale = line.judge.still(outcome)
    assert stale is not None
    assert stale.code == "auth.stale"


async def test_a_judgement_knows_how_far_its_message_came() -> None:
    line = Line()
    nowhere = await line.judged(facts(path=b"/nowhere"))
    assert nowhere.routed is None
    unsigned = await line.judged(facts())
    assert unsigned.routed is not None
    assert unsigned.identified is None
    forged = await line.judged(signed(secret=b"forged"))
    assert forged.identified is not None
    wrong_digest = Line()
    wrong_digest.body = BodyRead(b"y")
    assert (await wrong_digest.judged(signed(body=b"x"))).identified is not None
    no_scope = Line()
    no_scope.keys.records[record().id] = record(scopes=frozenset())
    assert (await no_scope.judged(signed())).identified is not None
    allowed = await line.judged(signed())
    assert allowed.identified is not None
    full = await Line(_limited(capacity=1)).judged(signed())
    assert full.identified is not None


def _unauthenticated() -> PolicySet:
    """All that auth would deny is in shadow; the limit of two tokens is not."""
    shadowed = msgspec.structs.replace(auth(), rule=rule("auth", Mode.SHADOW))
    per_key = limit("key", capacity=2)
    return policies(
        service(
            route(auth=shadowed, limits_principal=(per_key,)),
            route("GET", "/v1/orders", auth=shadowed, limits_principal=(per_key,), scope="read"),
        )
    )


@pytest.mark.parametrize(
    ("message", "would"),
    [
        (facts(), ("auth.missing",)),
        (facts(body=None), ("auth.missing",)),
        (facts(fields=((b"guard-key", b"x"),)), ("auth.malformed",)),
        (signed(secret=b"of somebody else" * 3), ("auth.bad_signature",)),
        (signed(key_id=KeyId("gk_unknown")), ("auth.unknown_key",)),
        (signed(at=UnixMs(NOW - 6000)), ("auth.stale",)),
        (signed(at=UnixMs(NOW + 2000)), ("auth.future",)),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
async def test_whom_auth_in_shadow_would_deny_goes_on_as_nobody(message: Facts, would: tuple[str, ...]) -> None:
    line = Line(_unauthenticated())
    outcome = (await line.judged(message)).outcome
    assert isinstance(outcome, Allow)
    assert tuple(each.code for each in outcome.shadow) == would
    assert outcome.record is None
    assert [debit.bucket[2] for charge in line.store.asked for debit in charge.debits] == ["anonymous"]
    assert line.keys.touched == []


@pytest.mark.parametrize(
    ("changes", "would"),
    [
        ({"state": KeyState.SUSPENDED}, "auth.suspended_key"),
        ({"networks": ("198.51.100.0/24",)}, "authz.ip"),
        ({"scopes": frozenset({"read"})}, "authz.scope"),
        ({"expires_at": NOW}, "auth.expired_key"),
    ],
)
async def test_what_a_key_may_not_do_is_not_done_in_its_name_in_shadow(changes: dict[str, Any], would: str) -> None:
    line = Line(_unauthenticated(), keys=Keys(record(**changes)))
    outcome = (await line.judged(signed())).outcome
    assert isinstance(outcome, Allow)
    assert [each.code for each in outcome.shadow] == [would]
    assert outcome.record is None


async def test_a_replay_in_shadow_goes_on_as_nobody_and_spends_no_token_of_the_key() -> None:
    line = Line(_unauthenticated())
    copies = [signed(request_id=RequestId(f"req_copy_{number}")) for number in range(2)]
    first, again = [(await line.judged(copy)).outcome for copy in copies]
    assert isinstance(first, Allow)
    assert isinstance(again, Allow)
    assert first.record is not None
    assert first.shadow == ()
    assert (again.record, [each.code for each in again.shadow]) == (None, ["auth.replayed"])
    assert [reading.remaining for reading in again.readings] == [1], "of the address's own bucket, not of the key's"
    assert await line.code(_again(1)) == "allow", "the key has its second token"
    assert await line.code(_again(2)) == "limit.key"


async def test_auth_in_shadow_lifts_no_limit_and_no_ambiguity() -> None:
    line = Line(_unauthenticated())
    unsigned = [facts(request_id=RequestId(f"req_{number}")) for number in range(3)]
    assert [await line.code(message) for message in unsigned] == ["allow", "allow", "limit.key"]
    assert await line.code(facts(body=None, body_bytes_announced=2048)) == "request.too_large"


async def test_a_message_ends_under_the_rules_that_it_met_and_the_next_one_meets_others() -> None:
    line = Line()
    before, after = line.judge.rules.current, _limited()

    async def swapped_meanwhile(_: Signed) -> Body:
        line.judge.rules.put(Rulebook(policies=after, schemes={}))  # a half of it would know no scheme
        return line.body

    judged = await line.judge.judge(signed(), swapped_meanwhile)
    assert isinstance(judged.outcome, Allow)
    assert judged.outcome.service is before.policies.services[0]
    line.judge.rules.put(Rulebook(policies=after, schemes=SCHEMES))
    outcome = (await line.judged(_again(2))).outcome
    assert isinstance(outcome, Allow)
    assert outcome.service is after.services[0]


def _batches() -> PolicySet:
    batch = ByItems(pointer=("orders",), each=1, base=1, per=1, items_max=5)
    limits = (limit("key", capacity=10), slots(count=2))
    return policies(service(route(pricing=batch, limits_principal=limits)))


def _batch(number: int, count: int) -> Facts:
    body = b'{"orders": [' + b", ".join([b"1"] * count) + b"]}"
    json = ((b"content-type", b"application/json"),)
    return signed(
        body=body, fields=json, nonce=f"nonce-{number:020d}", request_id=RequestId(f"req_{number}")
    ).with_body(body)


async def test_a_batch_is_charged_by_what_is_in_it() -> None:
    line = Line(_batches())
    judgement = await line.judged(_batch(1, 3))
    assert judgement.paid is not None
    assert [debit.cost for debit in judgement.paid.debits] == [4, 1]


async def test_a_body_that_names_no_cost_has_paid_the_least_cannot_be_executed_later_and_holds_no_slot() -> None:
    line = Line(_batches())
    for number in range(3):
        assert await line.code(_batch(number, 6)) == "request.too_many_items"
    assert line.store.refunded == []
    judgement = await line.judged(_batch(3, 1))
    assert isinstance(judgement.outcome, Allow)
    assert [reading.remaining for reading in judgement.outcome.readings] == [10 - 3 * 2 - 2, 1]
    assert await line.code(msgspec.structs.replace(_batch(1, 6), request_id="req_9")) == "auth.replayed"


async def test_who_sends_nothing_that_can_be_counted_runs_out_of_tokens() -> None:
    line = Line(_batches())
    codes = [await line.code(_batch(number, 6)) for number in range(6)]
    assert codes == ["request.too_many_items"] * 5 + ["limit.key"]


async def test_a_key_of_a_tier_is_charged_by_its_own_limits_and_others_by_theirs() -> None:
    base, maker = limit("key", capacity=1), msgspec.structs.replace(limit("key", capacity=3), tier="maker")
    line = Line(policies(service(route(limits_principal=(base,), limits_by_tier={"maker": (maker,)}))))
    assert [await line.code(_again(n)) for n in range(2)] == ["allow", "limit.key"]
    line.keys.records[record().id] = record(tier="maker")
    assert [await line.code(_again(n)) for n in range(2, 6)] == ["allow", "allow", "allow", "limit.key"]
    line.keys.records[record().id] = record(tier="retail")
    assert await line.code(_again(7)) == "limit.key"
