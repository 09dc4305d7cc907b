"""What a route asks for beside a key with its scope: a key that is bound to networks, a client certificate, an
Idempotency-Key (draft-ietf-httpapi-idempotency-key-header), by which a backend knows a request that comes again.
"""

from typing import Final

from msgspec import structs

from guard.core.evidence import Hearing
from guard.model.decision import Deny
from guard.model.facts import Facts
from guard.model.policy import Route
from guard.model.requirements import Requirement

_EVERYONE: Final = frozenset({"0.0.0.0/0", "::/0", "::ffff:0.0.0.0/96", "::ffff:0:0/96"})
"""A key that may be used from one of these is bound to nothing."""

_IDEMPOTENCY_KEY_BYTES_MAX: Final = 255


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
    if Requirement.IDEMPOTENCY_KEY in route.require and not _has_idempotency_key(identified.facts):
        return _deny(route, "this route needs one Idempotency-Key of 1 to 255 bytes")
    return None


def _has_idempotency_key(facts: Facts) -> bool:
    found = [value for name, value in facts.fields if name == b"idempotency-key"]
    return len(found) == 1 and 1 <= len(found[0]) <= _IDEMPOTENCY_KEY_BYTES_MAX


def _is_bound(networks: tuple[str, ...]) -> bool:
    return bool(networks) and _EVERYONE.isdisjoint(networks)


def _deny(route: Route, detail: str) -> Deny:
    rule = route.rule if route.auth is None else structs.replace(route.rule, mode=route.auth.rule.mode)
    return Deny(code="authz.require", rule=rule, detail=detail)
