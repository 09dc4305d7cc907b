"""What is in force: policies, nodes, bans. For reading only."""

from guard.edges.admin import shapes
from guard.edges.admin.desk import Call, Desk
from guard.edges.admin.shapes import Nothing
from guard.model.policy import Route, Service
from guard.state.admin_views import node_view


async def show_policy(desk: Desk, _: Call[Nothing, None]) -> shapes.PolicyStatus:
    """The policies of this node."""
    policies = desk.policies()
    return shapes.PolicyStatus(
        digest=policies.digest,
        loaded_at_ms=desk.loaded_at(),
        dual_control=tuple(sorted(policies.dual_control)),
        services=tuple(_service(service) for service in policies.services),
    )


async def list_nodes(desk: Desk, _: Call[Nothing, None]) -> shapes.NodeList:
    """The nodes of the database."""
    revision = await desk.vault.keys.head()
    return shapes.NodeList(items=tuple(map(node_view, await desk.nodes())), revision=revision)


async def list_bans(_: Desk, __: Call[Nothing, None]) -> shapes.BanList:
    """Who is banned: nobody, while nothing bans."""
    return shapes.BanList(items=())


def _service(service: Service) -> shapes.ServiceStatus:
    routes = {route.name: route for route in service.routes.routes()}  # GET stands in the tree for HEAD too
    return shapes.ServiceStatus(
        service=service.name,
        mode=service.mode.value,
        digest=service.digest,
        hosts=tuple(sorted(host.decode() for host in service.hosts)),
        prefix=service.prefix.decode(),
        backends=service.upstream.urls,
        routes=tuple(_route(route) for route in sorted(routes.values(), key=lambda route: route.rule.line)),
    )


def _route(route: Route) -> shapes.RouteStatus:
    return shapes.RouteStatus(
        route=route.name,
        scope=route.scope,
        group=route.group,
        schemes=() if route.auth is None else route.auth.schemes,
        reads=route.reads,
        critical=route.critical,
        cost=route.cost,
    )
