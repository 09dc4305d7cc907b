import pytest

from guard.core import decide
from guard.core.stages import Routed, Verified
from guard.model.decision import Deny
from guard.model.facts import Facts
from guard.model.policy import PolicySet
from tests.build import NOW, facts, policies, route, service, signed
from tests.line import decided


def _routed(rules: PolicySet, message: Facts) -> Routed:
    routed = decide.route(rules, message)
    assert isinstance(routed, Routed)
    return routed


def _verified() -> Verified:
    allow = decided(signed(), body=b"")
    assert not isinstance(allow, Deny)
    return allow.verified


def test_a_message_whose_backend_cannot_take_it_is_not_charged() -> None:
    blocked = decide.charge(_verified(), NOW, "upstream.breaker_open")
    assert isinstance(blocked, Deny)
    assert (blocked.code, blocked.wait_ms) == ("upstream.breaker_open", 1000)


@pytest.mark.parametrize(
    ("strain", "kept"),
    [
        (0, {"anonymous", "read", "order", "critical"}),
        (1, {"read", "order", "critical"}),
        (2, {"order", "critical"}),
        (3, {"critical"}),
        (4, set()),
    ],
)
def test_a_strained_gateway_refuses_anonymous_messages_then_reads_then_orders_and_the_critical_last(
    strain: int, kept: set[str]
) -> None:
    kinds = {
        "anonymous": route("GET", "/a", auth=None, reads=True),
        "read": route("GET", "/b", reads=True),
        "order": route("POST", "/c", reads=False),
        "critical": route("DELETE", "/d", reads=False, critical=True),
    }
    rules = policies(service(*kinds.values()))
    judged = {
        kind: decide.let_in(_routed(rules, facts(each.method, each.template.encode())), strain)
        for kind, each in kinds.items()
    }
    assert {kind for kind, refusal in judged.items() if refusal is None} == kept
    refusals = [refusal for refusal in judged.values() if refusal is not None]
    assert {(deny.code, deny.wait_ms) for deny in refusals} <= {("gateway.overloaded", 1000)}
