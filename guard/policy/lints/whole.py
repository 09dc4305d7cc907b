"""What a lint is given: one service that is in order, as it was written and as it was compiled."""

from collections.abc import Iterator, Mapping

import msgspec

from guard.model.policy import Limit, Route, RouteNode, Service
from guard.model.rules import Mode
from guard.policy.document import Document
from guard.policy.schema import PolicyFile


class Whole(msgspec.Struct, frozen=True):
    """One service. `routes` are by their keys, in the order of the file.

    `granted` are the scopes that some key has; None where nobody has looked at the keys.
    """

    document: Document
    policy: PolicyFile
    routes: Mapping[str, Route]
    granted: frozenset[str] | None = None

    @property
    def charges(self) -> dict[str, dict[str, Limit]]:
        """By limit and route: each limit that is not off, as it is for that route."""
        charges: dict[str, dict[str, Limit]] = {name: {} for name in self.policy.limits.named}
        for key, route in self.routes.items():
            for limit in (*route.limits_address, *route.limits_principal):
                if limit.rule.mode is not Mode.OFF:
                    charges[limit.name][key] = limit
        return charges


def whole(document: Document, policy: PolicyFile, service: Service, granted: frozenset[str] | None = None) -> Whole:
    """The service with its tree of routes laid out flat."""
    compiled = {route.name: route for route in _routes(service.routes)}
    return Whole(document, policy, {key: compiled[key] for key in policy.routes}, granted)


def _routes(node: RouteNode) -> Iterator[Route]:
    yield from node.here.values()
    yield from node.rest.values()
    for below in node.literals.values():
        yield from _routes(below)
    if node.variable is not None:
        yield from _routes(node.variable)
