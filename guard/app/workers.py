"""`guard serve` with several workers: what the supervisor starts, and what a worker makes of it.

A worker runs today's line on the supervisor's settings and on the contents of the policy files that the supervisor has
read, at its start and whenever there are others. It says which it runs.
"""

import asyncio
import secrets
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from functools import partial
from typing import Final

import msgspec

from guard.app.clock import AnchoredClock
from guard.app.gateway import Running, open_gateway
from guard.app.keys import open_vault
from guard.app.link import CONTENT_BYTES_MAX, News, PolicyChanged, Task
from guard.app.node import Node, open_node
from guard.app.onward import Adopt, Misplaced, Prepare, refuse_misplaced
from guard.app.orders import following_orders
from guard.app.reloading import began, holding_back, obeying, recording, reloading_of
from guard.app.serving import open_front, settled, tell_draining, tell_ready
from guard.app.stores import refuse_local_replay
from guard.app.supervisor import Supervisor
from guard.app.worker import CannotServe, Working, shared_by
from guard.edges.health import Readiness
from guard.model.policy_versions import Narrowing
from guard.policy.diagnostic import render
from guard.policy.load import Invalid
from guard.policy.widening import narrowings
from guard.server.binding import Binding
from guard.server.endpoint import endpoint
from guard.service.admins import GATEWAY
from guard.service.key_steps import By
from guard.service.policies import Rulebook, Rules, rulebook_of
from guard.service.policy_consent import PolicyConsent
from guard.service.reloading import Demand, Reloading
from guard.settings import Settings
from guard.state.faults import StateError
from guard.telemetry import logs

COMMAND: Final = (sys.executable, "-P", "-m", "guard", "worker")
"""Starts a worker. -P: never with what lies in the directory that guard happens to be started in."""

_ORDERS_BYTES_MAX: Final = CONTENT_BYTES_MAX - 64 * 1024


class Orders(msgspec.Struct, frozen=True):
    """What a worker of the gateway is told to serve: the settings, in JSON, and the contents of the policy files.

    Contents, not a directory: a worker that starts later runs what the others run, whatever the files say by then,
    and holds back what they do (`policy/widening.py`).
    """

    settings: str
    files: dict[str, bytes]
    held: dict[str, Narrowing] = {}


async def serve_workers(settings: Settings, rulebook: Rulebook) -> None:
    """Serve with several workers until SIGTERM or SIGINT; then finish what is in flight and stop.

    Raises CannotServe, or OSError if an address cannot be had.
    """
    rules = Rules(rulebook)
    now = AnchoredClock(time.time_ns, time.monotonic_ns).now
    async with AsyncExitStack() as stack:
        binding = stack.enter_context(closing(Binding(endpoint(settings.listen))))
        supervisor = Supervisor(
            *(COMMAND, _orders(settings, rulebook), binding),
            workers=settings.workers,
            grace_s=settings.drain_ms_max / 1000,
        )
        vault = await stack.enter_async_context(open_vault(settings))
        record = recording(vault, rules, now)
        consent = PolicyConsent(vault, now=now, random=secrets.token_bytes)
        reloading = reloading_of(
            *(settings, rules, _handing_on(settings, supervisor), record),
            meter=supervisor.meter,
            now=now,
            consent=consent,
        )
        await began(vault, rules, now(), settings)
        supervisor.renew(_orders(settings, rules.current))

        def readiness() -> Readiness:
            degraded = (*supervisor.degraded, *_strays(supervisor, rules), *reloading.degraded)
            return Readiness(policy=rules.policies.digest, reasons=supervisor.waiting_for, degraded=degraded)

        node = Node(readiness=readiness, tally=supervisor.tally, reloading=reloading)
        await stack.enter_async_context(open_node(settings, node))
        await stack.enter_async_context(following_orders(reloading, vault, consent))
        await stack.enter_async_context(obeying(settings, reloading))
        await supervisor.run(lambda: tell_ready(settings, rules.policies.digest), tell_draining)


def _orders(settings: Settings, rulebook: Rulebook) -> bytes:
    return msgspec.msgpack.encode(
        Orders(settings.model_dump_json(), dict(rulebook.files), narrowings(rulebook.policies))
    )


def _handing_on(settings: Settings, supervisor: Supervisor) -> Prepare:
    """The supervisor needs nothing itself: other policies are checked, and handed on to those who serve."""

    def prepare(rulebook: Rulebook) -> Adopt:
        refuse_misplaced(rulebook.policies, for_an_app=False)
        refuse_local_replay(settings, rulebook.policies)
        orders = _orders(settings, rulebook)
        if len(orders) > _ORDERS_BYTES_MAX:
            raise Misplaced(f"policies of more than {_ORDERS_BYTES_MAX >> 20} MiB cannot be handed to workers")

        def adopt() -> None:
            supervisor.renew(orders)
            supervisor.tell(PolicyChanged(dict(rulebook.files)))

        return adopt

    return prepare


def _strays(supervisor: Supervisor, rules: Rules) -> tuple[str, ...]:
    """Workers that run other policies than they were told to."""
    digest = rules.policies.digest
    return tuple(
        f"worker {number}: policy: runs {runs}, not {digest}"
        for number, runs in enumerate(supervisor.policies, start=1)
        if runs not in ("", digest)
    )


@asynccontextmanager
async def gateway_worker(task: Task) -> AsyncIterator[Working]:
    """A worker's target: the gateway, on the socket and with the settings that it was given."""
    orders = msgspec.msgpack.decode(task.content, type=Orders)
    settings = Settings.model_validate_json(orders.settings)
    logs.configure(settings.log_level)
    rules = Rules(holding_back(_rulebook(orders.files), orders.held))
    async with AsyncExitStack() as stack:
        try:
            running = await stack.enter_async_context(open_gateway(settings, rules))
            await stack.enter_async_context(open_front(settings, running, shared_by(task)))
        except (StateError, Misplaced, OSError) as error:
            raise CannotServe(str(error)) from None
        following = await stack.enter_async_context(_following(settings, running))
        stack.enter_context(settled())
        yield Working(
            waiting_for=lambda: running.readiness().reasons,
            degraded=lambda: (*running.readiness().degraded, *following.degraded),
            tally=running.meter.tally,
            draining=running.draining.set,
            hear=following.hear,
            policy=lambda: rules.policies.digest,
        )


class _Following:
    """Puts in force, one after the other, what the supervisor says is."""

    def __init__(self, reloading: Reloading) -> None:
        self._reloading = reloading
        self._news: asyncio.Queue[PolicyChanged] = asyncio.Queue()

    @property
    def degraded(self) -> tuple[str, ...]:
        return self._reloading.degraded

    def hear(self, news: News) -> None:
        if isinstance(news, PolicyChanged):
            self._news.put_nowait(news)

    async def follow(self) -> None:
        while True:
            files = (await self._news.get()).files
            await self._reloading.take(partial(rulebook_of, files), Demand(by=By(GATEWAY, "the supervisor")))


@asynccontextmanager
async def _following(settings: Settings, running: Running) -> AsyncIterator[_Following]:
    async def recorded(_: Rulebook, __: Demand) -> int:
        """By the supervisor, who also follows what is ordered."""
        return 0

    reloading = reloading_of(settings, running.rules, running.prepare, recorded, meter=running.meter, now=running.now)
    following = _Following(reloading)
    task = asyncio.create_task(following.follow(), name="follow the policies")
    try:
        yield following
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _rulebook(files: Mapping[str, bytes]) -> Rulebook:
    rules = rulebook_of(files)
    if isinstance(rules, Invalid):
        raise CannotServe("\n".join(render(diagnostic) for diagnostic in rules.diagnostics))
    return rules
