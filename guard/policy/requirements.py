"""What a route asks for beside a key with its scope, and the networks from which it may be used."""

from collections.abc import Iterator

from guard.model.requirements import Requirement, RouteNetworks
from guard.model.rules import Mode, Rule
from guard.policy.diagnostic import Diagnostic, quoted
from guard.policy.document import Document
from guard.policy.modes import route_networks_mode
from guard.policy.network_lists import networks_in
from guard.policy.schema import PolicyFile, RoutePart


def requirements(route: RoutePart) -> tuple[Requirement, ...]:
    """What `require` lists, as the core reads it."""
    return tuple(Requirement(one) for one in route.require)


def compile_networks(document: Document, key: str, policy: PolicyFile) -> RouteNetworks | None:
    """The networks of `allow_ips`, each route's own; None where it has none, or they are off."""
    route = policy.routes[key]
    mode = route_networks_mode(policy, route)
    if not route.allow_ips or mode is Mode.OFF:
        return None
    line = document.span(("routes", key, "allow_ips"), key=True).line
    return RouteNetworks(
        Rule(f"routes.{key}.allow_ips", document.name, line, mode), networks_in(document, route.allow_ips)
    )


def requirement_faults(document: Document, policy: PolicyFile) -> Iterator[Diagnostic]:
    """Something required twice, and a property of keys required where nobody has one."""
    for key, route in policy.routes.items():
        for position, one in enumerate(route.require):
            path = ("routes", key, "require", position)
            if one in route.require[:position]:
                yield document.fault("P110", path, f"{quoted(one)} is named twice")
            elif route.auth == "none" and one == "key_ip_allowlist":
                message = "`auth: none` opens the route to anyone, so there is no key to be bound to networks"
                yield document.fault("P110", path, message, help_text="restrict the route with `allow_ips`")
