"""Who and what is stopped by a halt, and what passes all the same."""

import msgspec
import pytest

from guard.core import decide
from guard.core.stages import Allow
from guard.model.decision import Deny
from guard.model.facts import Facts
from guard.model.halts import Halt, HaltKind, halts_of
from guard.model.rules import Mode
from tests.build import NOW, facts, halt, node, policies, record, route, rule, service, signed
from tests.line import code, decided

_ROUTES = {
    "order": route("POST", "/o", scope=None),
    "cancel": route("DELETE", "/o", scope=None, critical=True),
    "read": route("GET", "/o", scope=None),
    "open": route("GET", "/open", scope=None, auth=None),
    "open order": route("POST", "/open", scope=None, auth=None),
}
_RULES = policies(service(*_ROUTES.values()))


def _message(kind: str) -> Facts:
    asked = _ROUTES[kind]
    return signed(asked.method, asked.template.encode())


def _outcomes(over: Halt) -> dict[str, str]:
    return {kind: code(decided(_message(kind), rules=_RULES, body=b"", halts=halts_of([over]))) for kind in _ROUTES}


@pytest.mark.parametrize(
    ("modes", "passing"),
    [
        ({}, set()),
        ({"reads_only": True}, {"read", "open"}),
        ({"with_cancels": True}, {"cancel"}),
        ({"reads_only": True, "with_cancels": True}, {"read", "open", "cancel"}),
    ],
)
def test_a_halt_of_everything_stops_all_routes_open_ones_too_but_those_that_it_lets_pass(
    modes: dict[str, bool], passing: set[str]
) -> None:
    outcomes = _outcomes(msgspec.structs.replace(halt(), **modes))
    assert {kind for kind, outcome in outcomes.items() if outcome == "allow"} == passing
    assert set(outcomes.values()) <= {"allow", "gateway.halted"}


@pytest.mark.parametrize("over", [(HaltKind.ACCOUNT, "acme"), (HaltKind.KEY, record().id)])
@pytest.mark.parametrize(
    ("modes", "passing"),
    [
        ({}, set()),
        ({"reads_only": True}, {"read"}),
        ({"with_cancels": True}, {"cancel"}),
        ({"reads_only": True, "with_cancels": True}, {"read", "cancel"}),
    ],
)
def test_a_halt_of_an_account_or_key_stops_what_it_signed_but_what_the_halt_lets_pass(
    over: tuple[HaltKind, str], modes: dict[str, bool], passing: set[str]
) -> None:
    outcomes = _outcomes(msgspec.structs.replace(halt(*over), **modes))
    assert {kind for kind, outcome in outcomes.items() if outcome == "allow"} == passing | {"open", "open order"}
    assert set(outcomes.values()) == {"allow", "authz.halted"}


@pytest.mark.parametrize(
    "over",
    [
        (HaltKind.SERVICE, "other"),
        (HaltKind.ACCOUNT, "other"),
        (HaltKind.KEY, "gk_other"),
        (HaltKind.ACCOUNT, "gk_test"),
    ],
)
def test_a_halt_of_another_stops_nothing(over: tuple[HaltKind, str]) -> None:
    assert set(_outcomes(halt(*over)).values()) == {"allow"}


def test_the_strictest_of_several_halts_counts() -> None:
    both = halts_of([halt(HaltKind.SERVICE, "exchange", reads_only=True), halt(with_cancels=True)])
    assert code(decided(_message("read"), rules=_RULES, body=b"", halts=both)) == "gateway.halted"
    assert code(decided(_message("cancel"), rules=_RULES, body=b"", halts=both)) == "gateway.halted"


def test_nothing_is_said_of_a_halted_account_before_its_holder_has_proved_to_hold_the_key() -> None:
    halts = halts_of([halt(HaltKind.ACCOUNT, "acme")])
    assert code(decided(signed(secret=b"wrong"), halts=halts)) == "auth.bad_signature"


def test_a_halt_of_the_service_is_told_before_anyone_is_asked_with_when_to_try_again_and_never_why() -> None:
    for over in (halt(), halt(HaltKind.SERVICE, "exchange")):
        denied = decided(facts(), halts=halts_of([over]))
        assert denied == Deny(code="gateway.halted", wait_ms=5000, check="service_is_not_halted")
    assert decided(signed(), body=b"", halts=halts_of([halt(HaltKind.KEY, record().id)])) == Deny(
        code="authz.halted", check="holder_is_not_halted"
    )


def test_no_policy_has_a_halt_in_shadow() -> None:
    rules = policies(service(mode=Mode.SHADOW, routes=node(route(rule=rule(mode=Mode.SHADOW)))))
    for over in (halt(), halt(HaltKind.ACCOUNT, "acme")):
        assert isinstance(decided(signed(), rules=rules, body=b"", halts=halts_of([over])), Deny)


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        ((HaltKind.ALL, ""), "gateway.halted"),
        ((HaltKind.SERVICE, "exchange"), "gateway.halted"),
        ((HaltKind.ACCOUNT, "acme"), "authz.halted"),
        ((HaltKind.KEY, record().id), "authz.halted"),
    ],
)
def test_what_is_halted_while_a_message_is_judged_or_waits_to_be_sent_stops_it(
    over: tuple[HaltKind, str], expected: str
) -> None:
    halts = halts_of([halt(*over)])
    assert code(decided(signed(), body=b"", halts_later=halts)) == expected
    allow = decided(signed(), body=b"")
    assert isinstance(allow, Allow)
    stopped = decide.still(allow, allow.record, NOW, halts)
    assert stopped is not None
    assert stopped.code == expected


def test_a_message_to_an_open_route_is_stopped_by_a_halt_that_came_meanwhile() -> None:
    allow = decided(_message("open"), rules=_RULES, key=None)
    assert isinstance(allow, Allow)
    stopped = decide.still(allow, None, NOW, halts_of([halt(HaltKind.SERVICE, "exchange")]))
    assert stopped is not None
    assert stopped.code == "gateway.halted"


def test_a_message_of_a_halted_account_is_not_charged() -> None:
    allow = decided(signed(), body=b"")
    assert isinstance(allow, Allow)
    assert decide.charge(allow.verified, NOW, halts=halts_of([halt(HaltKind.ACCOUNT, "acme")])) == Deny(
        code="authz.halted", check="holder_is_not_halted"
    )
