"""What is in force: policies, nodes; and having policies read again."""

from guard.edges.admin import policy_shapes, shapes
from guard.edges.admin.desk import Call, Desk
from guard.edges.admin.shapes import Nothing, Reason
from guard.model.policy import Route, Service
from guard.service.key_orders import KeyringError
from guard.service.reloading import Attempt, Demand
from guard.state.admin_views import node_view, override_view


async def show_policy(desk: Desk, _: Call[Nothing, None]) -> policy_shapes.PolicyStatus:
    """The policies of this node."""
    policies = desk.reloading.rules.policies
    return policy_shapes.PolicyStatus(
        digest=policies.digest,
        loaded_at_ms=desk.reloading.loaded_at,
        stale=desk.reloading.stale is not None,
        last_reload=None if desk.reloading.last is None else _attempt(desk.reloading.last),
        dual_control=tuple(sorted(policies.dual_control)),
        changes_by_two=policies.changes_by_two,
        services=tuple(_service(service) for service in policies.services),
        overrides=tuple(map(override_view, await desk.overriding.overrides())),
    )


async def show_policy_files(desk: Desk, _: Call[Nothing, None]) -> policy_shapes.PolicyFiles:
    """What this node runs, whatever its files say by now."""
    current = desk.reloading.rules.current
    texts = {path: content.decode(errors="replace") for path, content in current.files.items()}
    return policy_shapes.PolicyFiles(digest=current.policies.digest, files=texts)


async def reload_policy(desk: Desk, call: Call[Nothing, Reason]) -> policy_shapes.ReloadStatus:
    """Read the policies of this node again."""
    return _attempt(await desk.reloading.reload(call.by(call.body.why)))


async def list_policy_versions(desk: Desk, _: Call[Nothing, None]) -> policy_shapes.VersionList:
    """The policies that were in force."""
    return policy_shapes.VersionList(items=await desk.vault.policies.all())


async def rollback_policy(desk: Desk, call: Call[Nothing, policy_shapes.Rollback]) -> policy_shapes.ReloadStatus:
    """Put a version in force on all nodes that was before. The files stay, and are read again when they change."""
    files = await desk.vault.policies.files(call.body.digest)
    if files is None:
        raise KeyringError(f"no version {call.body.digest} is kept: `guard policies list`", field="digest")
    demand = Demand(by=call.by(call.body.why), everywhere=True)
    return _attempt(await desk.reloading.restore(files, demand))


async def list_nodes(desk: Desk, _: Call[Nothing, None]) -> shapes.NodeList:
    """The nodes of the database."""
    revision = await desk.vault.keys.head()
    return shapes.NodeList(items=tuple(map(node_view, await desk.nodes())), revision=revision)


def _attempt(attempt: Attempt) -> policy_shapes.ReloadStatus:
    return policy_shapes.ReloadStatus(
        outcome=attempt.outcome.value,
        at_ms=attempt.at,
        by=attempt.by.actor,
        why=attempt.by.why,
        digest=attempt.digest,
        refused_for=attempt.why,
        release=attempt.release,
        diagnostics=tuple(
            policy_shapes.PolicyFault(
                code=one.code,
                severity=one.severity.value,
                message=one.message,
                file=one.file,
                line=one.line,
                column=one.column,
                help=one.help,
            )
            for one in attempt.diagnostics
        ),
    )


def _service(service: Service) -> policy_shapes.ServiceStatus:
    routes = {route.name: route for route in service.routes.routes()}  # GET stands in the tree for HEAD too
    return policy_shapes.ServiceStatus(
        service=service.name,
        mode=service.mode.value,
        digest=service.digest,
        hosts=tuple(sorted(host.decode() for host in service.hosts)),
        prefix=service.prefix.decode(),
        backends=service.upstream.urls,
        routes=tuple(_route(route) for route in sorted(routes.values(), key=lambda route: route.rule.line)),
    )


def _route(route: Route) -> policy_shapes.RouteStatus:
    return policy_shapes.RouteStatus(
        route=route.name,
        scope=route.scope,
        group=route.group,
        schemes=() if route.auth is None else route.auth.schemes,
        reads=route.reads,
        critical=route.critical,
        cost=route.cost,
    )
