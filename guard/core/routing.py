"""Which service is a message for, and which of its routes: a walk down the tree that `policy/routes.py` built.

The most specific route wins: a literal segment before a variable one, a variable one before the rest. No path is
decoded here; a spelling that could be read in two ways was refused before (`wire/path.py`).
"""

from functools import lru_cache

from guard.model.decision import Deny
from guard.model.facts import Facts
from guard.model.policy import PolicySet, Route, RouteNode, Service

_SHORT_BYTES = 256
"""A path of a length that is worth remembering what it led to."""

_ANY = "ANY"
_METHODS_OF_ANY = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def place_for(policies: PolicySet, facts: Facts) -> tuple[Service, Route] | Deny:
    """The service and the one route of it, or why there is none."""
    find = _place_remembered if len(facts.path) <= _SHORT_BYTES and len(facts.verb) <= _SHORT_BYTES else _place
    return find(policies, facts.authority, facts.verb, facts.path)


def _place(policies: PolicySet, authority: bytes, verb: str, path: bytes) -> tuple[Service, Route] | Deny:
    service = service_for(policies, authority, path)
    if isinstance(service, Deny):
        return service
    route = route_for(service, verb, path)
    return route if isinstance(route, Deny) else (service, route)


_place_remembered = lru_cache(maxsize=4096)(_place)


def service_for(policies: PolicySet, authority: bytes, path: bytes) -> Service | Deny:
    """The service that serves this authority and path: one that names the authority before one that serves any."""
    candidates = _serving(policies, authority)
    if not candidates:
        return Deny(code="request.misdirected")
    for service in candidates:
        if _under(path, service.prefix):
            return service
    return Deny(code="route.unknown")


def route_for(service: Service, verb: str, path: bytes) -> Route | Deny:
    """The one route whose method and template match, or why there is none (404, or 405 with the methods that exist)."""
    found = _found(service, path)
    for methods in found:
        route = methods.get(verb)
        if route is None and verb in _METHODS_OF_ANY:
            route = methods.get(_ANY)
        if route is not None:
            return route
    if not found:
        return Deny(code="route.unknown", rule=service.rule)
    return Deny(code="route.method", rule=service.rule, allow=_allowed(found))


def _serving(policies: PolicySet, authority: bytes) -> tuple[Service, ...]:
    host = _host(authority)
    named = tuple(service for service in policies.services if host in service.hosts)
    return named or tuple(service for service in policies.services if not service.hosts)


def _found(service: Service, path: bytes) -> list[dict[str, Route]]:
    """The method tables of all templates that match, most specific first."""
    found: list[dict[str, Route]] = []
    _walk(service.routes, path.split(b"/")[1:], 0, found)
    return found


def _allowed(found: list[dict[str, Route]]) -> tuple[str, ...]:
    """The methods of a 405, ANY written out."""
    named = {method for methods in found for method in methods}
    return tuple(sorted(named - {_ANY} | (set(_METHODS_OF_ANY) if _ANY in named else set())))


def _walk(node: RouteNode, segments: list[bytes], depth: int, found: list[dict[str, Route]]) -> bool:
    """Append what is found below a node. False ends the whole walk.

    That is where a segment is a literal in all but case: a case-insensitive backend would take it for the literal, so
    no laxer route may have it.
    """
    if depth == len(segments):
        if node.here:
            found.append(node.here)
        return True
    segment = segments[depth]
    literal = node.literals.get(segment)
    if literal is None and segment.lower() in node.folded:
        return False
    if literal is not None and not _walk(literal, segments, depth + 1, found):
        return False
    if node.variable is not None and segment and not _walk(node.variable, segments, depth + 1, found):
        return False
    if node.rest and segments[-1]:
        found.append(node.rest)
    return True


def _host(authority: bytes) -> bytes:
    """The authority without its port and the root's dot, in lower case. An IPv6 literal keeps its brackets."""
    host = authority.lower()
    if not host.endswith(b"]"):
        name, colon, port = host.rpartition(b":")
        host = name if colon and port.isdigit() else host
    return host.removesuffix(b".")


def _under(path: bytes, prefix: bytes) -> bool:
    return prefix in (b"/", path) or path.startswith(prefix.rstrip(b"/") + b"/")
