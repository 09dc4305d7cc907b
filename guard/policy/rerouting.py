"""A compiled service with other routes, and all else as it was. What stays the same stays the same object."""

from collections.abc import Callable

import msgspec

from guard.model.policy import Route, RouteNode, Service


def with_routes(service: Service, change: Callable[[Route], Route]) -> Service:
    """The service, each of its routes as `change` makes it, which is asked once for each; itself if it changes none."""
    changed: dict[int, Route] = {}

    def once(route: Route) -> Route:  # GET stands in the tree for HEAD too
        if id(route) not in changed:
            changed[id(route)] = change(route)
        return changed[id(route)]

    routes = _mapped(service.routes, once)
    return service if routes is service.routes else msgspec.structs.replace(service, routes=routes)


def _mapped(node: RouteNode, route: Callable[[Route], Route]) -> RouteNode:
    """The tree with other routes; the same tree if none is other."""
    literals = {segment: _mapped(each, route) for segment, each in node.literals.items()}
    variable = None if node.variable is None else _mapped(node.variable, route)
    here = {method: route(each) for method, each in node.here.items()}
    rest = {method: route(each) for method, each in node.rest.items()}
    same = variable is node.variable and all(
        after[key] is before[key]  # type: ignore[index]
        for after, before in ((literals, node.literals), (here, node.here), (rest, node.rest))
        for key in before
    )
    if same:
        return node
    return msgspec.structs.replace(node, literals=literals, variable=variable, here=here, rest=rest)
