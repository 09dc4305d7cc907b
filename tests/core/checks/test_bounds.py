"""A key does no more than it is kept to."""

import pytest

from guard.model.keys import Bounds, KeyUse
from guard.model.policy import PolicySet
from tests.build import policies, record, route, service, signed
from tests.line import code, decided

READS, CANCELS = (KeyUse.READS,), (KeyUse.CANCELS,)


def _rules() -> PolicySet:
    return policies(
        service(
            route("POST", "/v1/orders"),
            route("GET", "/v1/orders", scope="read"),
            route("DELETE", "/v1/orders", critical=True),
        )
    )


@pytest.mark.parametrize(
    ("uses", "order", "read", "cancel"),
    [
        ((), "allow", "allow", "allow"),
        (READS, "authz.bounds", "allow", "authz.bounds"),
        (CANCELS, "authz.bounds", "authz.bounds", "allow"),
        ((*READS, *CANCELS), "authz.bounds", "allow", "allow"),
    ],
)
def test_a_key_is_for_the_uses_that_it_is_kept_to_and_for_all_if_none_is_named(
    uses: tuple[KeyUse, ...], order: str, read: str, cancel: str
) -> None:
    key = record(bounds=Bounds(uses=uses))
    outcomes = [code(decided(signed(verb), rules=_rules(), key=key, body=b"")) for verb in ("POST", "GET", "DELETE")]
    assert outcomes == [order, read, cancel]


def test_a_key_that_is_kept_to_a_resource_does_nothing_where_the_route_does_not_say_which_it_is_about() -> None:
    key = record(bounds=Bounds(only={"symbol": ("BTC-USD",)}))
    assert code(decided(signed(), rules=_rules(), key=key, body=b"")) == "authz.bounds"
    assert code(decided(signed("GET"), rules=_rules(), key=key, body=b"")) == "authz.bounds"


def test_only_the_holder_of_the_key_is_told_what_it_is_kept_to() -> None:
    key = record(bounds=Bounds(uses=READS))
    assert code(decided(signed(secret=b"not the secret at all"), rules=_rules(), key=key)) == "auth.bad_signature"
