"""What a route asks for beside a key with its scope: a key that is bound to networks, a client certificate."""

from typing import Final

from msgspec import structs

from guard.core.evidence import Hearing
from guard.model.decision import Deny
from guard.model.policy import Route
from guard.model.requirements import Requirement

_EVERYONE: Final = frozenset({"0.0.0.0/0", "::/0", "::ffff:0.0.0.0/96", "::ffff:0:0/96"})
"""A key that may be used from one of these is bound to nothing."""


def route_requirements_are_met(hearing: Hearing) -> Deny | None:
    """All that the route's `require` lists is there. That a key stays in its networks is `network_is_allowed`."""
    identified = hearing.signed.screened.identified
    route = identified.route
    if not route.require:
        return None
    if Requirement.MTLS in route.require and identified.facts.client_certificate is None:
        return _deny(route, "this route needs a client certificate")
    record = hearing.signed.screened.record
    if Requirement.KEY_IP_ALLOWLIST in route.require and (record is None or not _is_bound(record.networks)):
        return _deny(route, "this route needs a key that is bound to networks")
    return None


def _is_bound(networks: tuple[str, ...]) -> bool:
    return bool(networks) and _EVERYONE.isdisjoint(networks)


def _deny(route: Route, detail: str) -> Deny:
    rule = route.rule if route.auth is None else structs.replace(route.rule, mode=route.auth.rule.mode)
    return Deny(code="authz.require", rule=rule, detail=detail)
