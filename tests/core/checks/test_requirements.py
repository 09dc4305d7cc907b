"""Is there what a route asks for beside a key with its scope?"""

import msgspec
import pytest

from guard.core.stages import Allow
from guard.model.decision import Deny
from guard.model.requirements import Requirement
from guard.model.rules import Mode
from tests.build import auth, facts, policies, record, route, rule, service, signed
from tests.line import code, decided

BOUND = (Requirement.KEY_IP_ALLOWLIST,)
CERTIFIED = (Requirement.MTLS,)
HERE = "192.0.2.0/24"


@pytest.mark.parametrize(
    ("require", "networks", "certificate", "expected"),
    [
        ((), (), None, "allow"),
        (BOUND, (HERE,), None, "allow"),
        (BOUND, (), None, "authz.require"),
        (BOUND, ("0.0.0.0/0",), None, "authz.require"),
        (BOUND, (HERE, "::/0"), None, "authz.require"),
        (BOUND, ("::ffff:0.0.0.0/96", HERE), None, "authz.require"),
        (BOUND, ("198.51.100.0/24",), None, "authz.ip"),
        (CERTIFIED, (), None, "authz.require"),
        (CERTIFIED, (), b"der", "allow"),
        ((*BOUND, *CERTIFIED), (), b"der", "authz.require"),
        ((*BOUND, *CERTIFIED), (HERE,), None, "authz.require"),
        ((*BOUND, *CERTIFIED), (HERE,), b"der", "allow"),
    ],
)
def test_a_route_refuses_who_lacks_what_it_requires(
    require: tuple[Requirement, ...], networks: tuple[str, ...], certificate: bytes | None, expected: str
) -> None:
    rules = policies(service(route(require=require)))
    message = signed(client_certificate=certificate)
    assert code(decided(message, rules=rules, key=record(networks=networks), body=b"")) == expected


@pytest.mark.parametrize(
    ("require", "detail"),
    [(BOUND, "this route needs a key that is bound to networks"), (CERTIFIED, "this route needs a client certificate")],
)
def test_the_holder_of_the_key_is_told_what_is_missing(require: tuple[Requirement, ...], detail: str) -> None:
    denied = decided(signed(), rules=policies(service(route(require=require))), body=b"")
    assert isinstance(denied, Deny)
    assert denied.detail == detail
    assert denied.rule is not None
    assert denied.rule.name == "routes.POST /v1/orders"


def test_nobody_else_is_told() -> None:
    rules = policies(service(route(require=(*BOUND, *CERTIFIED))))
    assert code(decided(signed(secret=b"wrong"), rules=rules, body=b"")) == "auth.bad_signature"


def test_an_open_route_may_ask_for_a_certificate() -> None:
    rules = policies(service(route(auth=None, scope=None, require=CERTIFIED)))
    assert code(decided(facts(client_certificate=b"der"), rules=rules, key=None)) == "allow"
    assert code(decided(facts(), rules=rules, key=None)) == "authz.require"


def test_auth_in_shadow_records_it_and_goes_on_as_nobody() -> None:
    shadowed = msgspec.structs.replace(auth(), rule=rule(mode=Mode.SHADOW))
    allowed = decided(signed(), rules=policies(service(route(auth=shadowed, require=CERTIFIED))), body=b"")
    assert isinstance(allowed, Allow)
    assert [would.code for would in allowed.shadow] == ["authz.require"]
    assert allowed.record is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((b"a",), "allow"),
        ((b"x" * 255,), "allow"),
        ((), "authz.require"),
        ((b"",), "authz.require"),
        ((b"x" * 256,), "authz.require"),
        ((b"a", b"a"), "authz.require"),
    ],
)
def test_a_route_may_want_one_idempotency_key(values: tuple[bytes, ...], expected: str) -> None:
    rules = policies(service(route(require=(Requirement.IDEMPOTENCY_KEY,))))
    message = signed(fields=((b"host", b"localhost"), *((b"idempotency-key", value) for value in values)))
    assert code(decided(message, rules=rules, body=b"")) == expected
