"""The line as a whole: what is let through, what each stage carries on, and in which order refusals come."""

import msgspec
import pytest

from guard.core import decide
from guard.core.once import once_of
from guard.core.stages import Allow, Entered, Identified, Routed, Verified
from guard.model.decision import Deny
from guard.model.facts import BodyRead, Facts, Transport
from guard.model.names import Address, KeyId, UnixMs
from guard.model.policy import ClientAddressPolicy
from guard.model.questions import Charge, Reading, Short
from guard.model.rules import Mode
from tests.build import NOW, auth, facts, limit, node, policies, record, route, rule, service, signed
from tests.line import SCHEMES, code, decided, head_of


def _verified(message: Facts, body: bytes = b"", **route_changes: object) -> Verified:
    rules = policies(service(route(message.verb, message.path.decode(), **route_changes)))
    verified = decide.verify(head_of(message, rules), BodyRead(body), NOW)
    assert isinstance(verified, Verified)
    return verified


def test_a_signed_message_with_a_body_is_allowed_and_carries_the_bytes_that_were_verified() -> None:
    allowed = decided(signed(body=b'{"qty":1}'), body=b'{"qty":1}')
    assert isinstance(allowed, Allow)
    assert allowed.verified.content == b'{"qty":1}'
    assert allowed.record is not None
    assert allowed.record.account == "acme"


def test_an_open_route_needs_no_key_and_names_nobody() -> None:
    allowed = decided(facts("GET"), rules=policies(service(route("GET", auth=None, scope=None))), key=None)
    assert isinstance(allowed, Allow)
    assert allowed.record is None


def test_an_open_route_that_gets_credentials_anyway_names_nobody() -> None:
    allowed = decided(signed("GET"), rules=policies(service(route("GET", auth=None, scope=None))))
    assert isinstance(allowed, Allow)
    assert allowed.record is None


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (facts(path=b"/nowhere"), "route.unknown"),
        (facts("PUT"), "route.method"),
        (facts(), "auth.missing"),
    ],
)
def test_a_message_without_a_route_or_credentials_is_refused_before_anyone_is_asked(
    message: Facts, expected: str
) -> None:
    assert code(decided(message)) == expected


def test_a_websocket_message_walks_the_same_line() -> None:
    message = signed("order.place", b"/ws", body=b'{"qty":1}', transport=Transport.WEBSOCKET)
    rules = policies(service(route("order.place", "/ws")))
    whole = message.with_body(b'{"qty":1}')
    assert code(decided(whole, rules=rules, body=b'{"qty":1}')) == "allow"
    assert code(decided(whole.with_body(b'{"qty":9}'), rules=rules, body=b'{"qty":9}')) == "auth.bad_digest"


def test_a_fix_frame_walks_the_same_line() -> None:
    message = signed("D", b"/SPOT", authority=b"SPOT", transport=Transport.FIX)
    rules = policies(service(route("D", "/SPOT")))
    assert code(decided(message, rules=rules, body=b"")) == "allow"
    assert code(decided(message, rules=rules, body=b"", key=None)) == "auth.unknown_key"
    moved = facts("F", b"/SPOT", authority=b"SPOT", transport=Transport.FIX, fields=message.fields)
    assert code(decided(moved, rules=policies(service(route("F", "/SPOT"))), body=b"")) == "auth.bad_signature"


def _asked(verified: Verified) -> Charge:
    question = decide.charge(verified, NOW)
    assert isinstance(question, Charge)
    return question


def test_the_charge_asks_whether_the_message_is_new() -> None:
    verified = _verified(signed())
    once = _asked(verified).once
    assert once is not None
    assert once == once_of(verified)


def test_limits_of_the_address_are_not_charged_again_with_those_of_the_key() -> None:
    per_ip, per_key = limit("ip", per=("ip",)), limit("key")
    rules = policies(service(route(limits_address=(per_ip,), limits_principal=(per_key,))))
    routed = decide.route(rules, signed())
    assert isinstance(routed, Routed)
    verified = _verified(signed(), limits_address=(per_ip,), limits_principal=(per_key,))
    room = decide.room(routed, NOW)
    assert room is not None
    assert [debit.limit for debit in room.debits] == [per_ip]
    assert [debit.limit for debit in _asked(verified).debits] == [per_key]


def test_what_may_not_go_any_more_is_stopped_before_its_first_byte() -> None:
    allowed = decided(signed(body=b"x"), body=b"x")
    assert isinstance(allowed, Allow)
    assert decide.still(allowed, record(), NOW) is None
    late = decide.still(allowed, record(), UnixMs(NOW + 5001))
    assert late is not None
    assert late.code == "auth.stale"


def test_shadow_denies_of_every_step_are_carried_to_the_allow() -> None:
    shadow = rule(mode=Mode.SHADOW)
    denied_address = ClientAddressPolicy(rule=shadow, deny=("192.0.2.0/24",))
    shadowed = msgspec.structs.replace(auth(), rule=shadow)
    rules = policies(service(client_ip=denied_address, routes=node(route(auth=shadowed, scope="withdraw"))))
    allowed = decided(signed(), rules=rules, body=b"")
    assert isinstance(allowed, Allow)
    assert [would.code for would in allowed.shadow] == ["abuse.address_denied", "authz.scope"]


def test_what_time_has_changed_in_shadow_is_recorded_beside_the_deny_that_follows() -> None:
    shadowed = msgspec.structs.replace(auth(), rule=rule(mode=Mode.SHADOW))
    short = Short(UnixMs(NOW + 5001), (Reading(limit("key"), 0, 9, 9, short=True, cost=1),))
    rules = policies(service(route(auth=shadowed)))
    denied = decided(signed(), rules=rules, body=b"", receipt=short, later=short.now)
    assert isinstance(denied, Deny)
    assert (denied.code, [would.code for would in denied.shadow]) == ("limit.key", ["auth.stale"])


def test_a_proof_that_failed_in_shadow_names_nobody() -> None:
    shadowed = msgspec.structs.replace(auth(), rule=rule(mode=Mode.SHADOW))
    rules = policies(service(route(auth=shadowed, scope=None)))
    allowed = decided(signed(secret=b"not the secret"), rules=rules, body=b"")
    assert isinstance(allowed, Allow)
    assert "auth.bad_signature" in [would.code for would in allowed.shadow]
    assert allowed.record is None


def test_the_client_address_is_the_one_behind_our_proxies() -> None:
    behind = ClientAddressPolicy(rule=rule(), trust=("192.0.2.0/24",), deny=("198.51.100.7",))
    message = signed(fields=((b"x-forwarded-for", b"198.51.100.7"),))
    assert code(decided(message, rules=policies(service(client_ip=behind)), body=b"")) == "abuse.address_denied"
    untrusted = signed(fields=((b"x-forwarded-for", b"198.51.100.7"),), peer=Address("203.0.113.9"))
    assert code(decided(untrusted, rules=policies(service(client_ip=behind)), body=b"")) == "allow"


def test_a_key_of_another_scheme_id_is_looked_up_by_the_claimed_id() -> None:
    message = signed(key_id=KeyId("gk_other"))
    routed = decide.route(policies(), message)
    assert isinstance(routed, Routed)
    entered = decide.enter(routed, None)
    assert isinstance(entered, Entered)
    identified = decide.identify(entered, SCHEMES, NOW)
    assert isinstance(identified, Identified)
    assert identified.claim is not None
    assert identified.claim.key_id == "gk_other"
