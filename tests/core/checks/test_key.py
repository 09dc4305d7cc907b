"""Is the key there, and may it do this, here and now?"""

import msgspec
import pytest

from guard.model.keys import Bounds, KeyState
from guard.model.names import UnixMs
from guard.model.questions import Unavailable
from guard.model.reasons import reason
from guard.model.rules import Mode
from tests.build import NOW, auth, policies, record, route, rule, service, signed
from tests.line import code, decided


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (KeyState.ACTIVE, "allow"),
        (KeyState.PRE_ACTIVATION, "auth.inactive_key"),
        (KeyState.SUSPENDED, "auth.suspended_key"),
        (KeyState.DEACTIVATED, "auth.revoked_key"),
        (KeyState.COMPROMISED, "auth.compromised_key"),
        (KeyState.DESTROYED, "auth.unknown_key"),
    ],
)
def test_only_an_active_key_authenticates(state: KeyState, expected: str) -> None:
    assert code(decided(signed(), body=b"", key=record(state=state))) == expected


@pytest.mark.parametrize(("end_ms", "expected"), [(1, "allow"), (0, "auth.expired_key"), (-1, "auth.expired_key")])
def test_a_key_expires_on_the_millisecond(end_ms: int, expected: str) -> None:
    assert code(decided(signed(), body=b"", key=record(expires_at=UnixMs(NOW + end_ms)))) == expected


@pytest.mark.parametrize(("end_ms", "expected"), [(1, "allow"), (0, "auth.revoked_key"), (-1, "auth.revoked_key")])
def test_a_rotated_key_dies_on_the_millisecond(end_ms: int, expected: str) -> None:
    assert code(decided(signed(), body=b"", key=record(dies_at=UnixMs(NOW + end_ms)))) == expected


def test_a_key_that_was_revoked_while_the_body_came_admits_nothing() -> None:
    assert code(decided(signed(), body=b"", key_later=record(state=KeyState.DEACTIVATED))) == "auth.revoked_key"


def test_a_key_that_can_no_longer_be_found_admits_nothing() -> None:
    assert code(decided(signed(), body=b"", key_later=Unavailable("keys"))) == "store.unavailable"


def test_a_key_store_that_does_not_answer_is_told_apart_from_a_key_that_does_not_exist() -> None:
    assert code(decided(signed(), key=Unavailable("keys"))) == "store.unavailable"
    assert code(decided(signed(), key=None)) == "auth.unknown_key"


@pytest.mark.parametrize(
    ("networks", "expected"),
    [((), "allow"), (("192.0.2.0/24",), "allow"), (("198.51.100.0/24", "10.0.0.0/8"), "authz.ip")],
)
def test_a_key_that_is_bound_to_networks_is_used_from_one_of_them(networks: tuple[str, ...], expected: str) -> None:
    assert code(decided(signed(), body=b"", key=record(networks=networks))) == expected


def test_a_key_without_the_scope_of_the_route_is_refused() -> None:
    assert code(decided(signed(), body=b"", key=record(scopes=frozenset({"read"})))) == "authz.scope"


def test_nothing_is_said_of_a_key_before_its_holder_has_proved_to_hold_it() -> None:
    revoked = record(state=KeyState.DEACTIVATED, networks=("10.0.0.0/8",), scopes=frozenset())
    assert code(decided(signed(secret=b"wrong"), key=revoked)) == "auth.bad_signature"


def test_a_honeytoken_is_refused_whatever_the_policy_and_whoever_has_no_proof_meets_nothing_new() -> None:
    bait = record(bounds=Bounds(honeytoken=True))
    assert code(decided(signed(), body=b"", key=bait)) == "auth.honeytoken"
    shadowed = policies(service(route(auth=msgspec.structs.replace(auth(), rule=rule("auth", Mode.SHADOW)))))
    assert code(decided(signed(), rules=shadowed, body=b"", key=bait)) == "auth.honeytoken"
    assert code(decided(signed(secret=b"not the secret at all"), body=b"", key=bait)) == "auth.bad_signature"
    told, unknown = reason("auth.honeytoken"), reason("auth.unknown_key")
    assert (told.status, told.public, told.title) == (unknown.status, unknown.public, unknown.title)
