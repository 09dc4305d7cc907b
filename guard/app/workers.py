"""`guard serve` with several workers: what the supervisor starts, and what a worker makes of it.

A worker runs today's line on the supervisor's settings. It reads the policies itself; that it found the same is said by
their digest.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Final

import msgspec
import structlog

from guard.app.gateway import open_gateway
from guard.app.link import Task
from guard.app.node import Node, open_node
from guard.app.onward import Misplaced
from guard.app.serving import open_front, settled, tell_draining, tell_ready
from guard.app.supervisor import Supervisor
from guard.app.worker import CannotServe, Working, shared_by
from guard.edges.health import Readiness
from guard.policy.diagnostic import render
from guard.policy.load import Invalid
from guard.server.binding import Binding
from guard.server.endpoint import endpoint
from guard.service.policies import Rulebook, Rules, read_rulebook
from guard.settings import Settings
from guard.state.faults import StateError
from guard.telemetry import logs

COMMAND: Final = (sys.executable, "-P", "-m", "guard", "worker")
"""Starts a worker. -P: never with what lies in the directory that guard happens to be started in."""

_log = structlog.get_logger()


class Orders(msgspec.Struct, frozen=True):
    """What a worker of the gateway is told to serve: the settings, in JSON, and the digest of the policies."""

    settings: str
    policy: str


async def serve_workers(settings: Settings, rules: Rulebook) -> None:
    """Serve with several workers until SIGTERM or SIGINT; then finish what is in flight and stop.

    Raises CannotServe, or OSError if an address cannot be had.
    """
    digest = rules.policies.digest
    orders = msgspec.json.encode(Orders(settings.model_dump_json(), digest))
    with closing(Binding(endpoint(settings.listen))) as binding:
        supervisor = Supervisor(
            *(COMMAND, orders, binding), workers=settings.workers, grace_s=settings.drain_ms_max / 1000
        )

        def readiness() -> Readiness:
            return Readiness(policy=digest, reasons=supervisor.waiting_for, degraded=supervisor.degraded)

        async with open_node(settings, Node(readiness=readiness, tally=supervisor.tally, rules=Rules(rules))):
            await supervisor.run(lambda: tell_ready(settings, digest), tell_draining)


@asynccontextmanager
async def gateway_worker(task: Task) -> AsyncIterator[Working]:
    """A worker's target: the gateway, on the socket and with the settings that it was given."""
    orders = msgspec.json.decode(task.content, type=Orders)
    settings = Settings.model_validate_json(orders.settings)
    logs.configure(settings.log_level)
    rules = _rules(settings.policies, orders.policy)
    async with AsyncExitStack() as stack:
        try:
            running = await stack.enter_async_context(open_gateway(settings, Rules(rules)))
            await stack.enter_async_context(open_front(settings, running, shared_by(task)))
        except (StateError, Misplaced, OSError) as error:
            raise CannotServe(str(error)) from None
        stack.enter_context(settled())
        yield Working(
            waiting_for=lambda: running.readiness().reasons,
            degraded=lambda: running.readiness().degraded,
            tally=running.meter.tally,
            draining=running.draining.set,
        )


def _rules(policies: Path, digest: str) -> Rulebook:
    rules = read_rulebook(policies)
    if isinstance(rules, Invalid):
        raise CannotServe("\n".join(render(diagnostic) for diagnostic in rules.diagnostics))
    if rules.policies.digest != digest:
        _log.warning("policy.differs", policies=str(policies), policy=rules.policies.digest, others=digest)
    return rules
