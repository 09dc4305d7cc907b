"""Where goes what is let through: the backends of the policies, or the application that guard is wrapped around."""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from typing import TypeAlias

import msgspec
import structlog

from guard.app.assertion import open_assertion_key
from guard.edges.exchange import Onward
from guard.edges.forwarded import Backends
from guard.edges.wrapped import App, Wrapped
from guard.model.policy import PolicySet, Service
from guard.model.upstream_policy import APP
from guard.service.policies import Rulebook
from guard.settings import Settings
from guard.signing.assertion import AssertionKey
from guard.upstream.backend import Backend
from guard.upstream.succession import Succession

_log = structlog.get_logger()

Adopt: TypeAlias = Callable[[], None]
Prepare: TypeAlias = Callable[[Rulebook], Adopt]
"""Builds what other policies need, and gives what puts it in their place; till that is called, nothing has changed.

Raises Misplaced, StateError, OSError or ValueError if they cannot be put in force here.
"""


class Misplaced(Exception):  # noqa: N818  # a policy in the wrong program, not an error of ours
    """A policy names a backend where the application is one, or the other way round."""


class Outlet(msgspec.Struct, frozen=True):
    """Where goes what is let through, how it follows other policies, and services that stand in for some of them."""

    onward: Onward
    prepare: Prepare
    stand_in: Callable[[Mapping[Service, Service]], object] = lambda _: None


def open_outlet(settings: Settings, rulebook: Rulebook, app: App | None, stack: AsyncExitStack) -> Outlet:
    """`app`, or the policies' backends, whose closing is left to `stack`; and the key for assertions, if any are due.

    Raises as `Prepare`, and KeyFileError if that key cannot be used.
    """
    outlet = _to_backends(settings, stack) if app is None else _to_app(settings, Wrapped(app, None))
    outlet.prepare(rulebook)()
    return outlet


def _to_app(settings: Settings, wrapped: Wrapped) -> Outlet:
    def prepare(rulebook: Rulebook) -> Adopt:
        policies = rulebook.policies
        refuse_misplaced(policies, for_an_app=True)
        key = _assertion_key(settings, policies, wrapped.key)

        def adopt() -> None:
            wrapped.key = key

        return adopt

    return Outlet(wrapped, prepare)


def _to_backends(settings: Settings, stack: AsyncExitStack) -> Outlet:
    succession = Succession(_backend, lambda services: (settings.body_ms_max + _total_ms(services)) / 1000)
    stack.push_async_callback(succession.aclose)
    backends = Backends(succession.of, None)

    def prepare(rulebook: Rulebook) -> Adopt:
        policies = rulebook.policies
        refuse_misplaced(policies, for_an_app=False)
        key = _assertion_key(settings, policies, backends.key)
        prepared = succession.prepared(policies.services)

        def adopt() -> None:
            backends.key = key
            succession.adopt(prepared)

        return adopt

    return Outlet(backends, prepare, succession.stand_in)


def refuse_misplaced(policies: PolicySet, *, for_an_app: bool) -> None:
    """Raises Misplaced for policies of the other program."""
    for service in policies.services:
        if (service.upstream.urls == (APP,)) is not for_an_app:
            raise Misplaced(f"{service.rule.file}: {_FOR_A_BACKEND if for_an_app else _FOR_AN_APP}")


_FOR_AN_APP = "`upstream: app` is for GuardMiddleware; here it must name a backend"
_FOR_A_BACKEND = "behind GuardMiddleware the application is the backend: write `upstream: app`"


def _assertion_key(settings: Settings, policies: PolicySet, held: AssertionKey | None) -> AssertionKey | None:
    """The one that is held stays: a message may still be under way whose policy asks for it."""
    if held is None and any(service.upstream.assertion for service in policies.services):
        return open_assertion_key(settings)
    return held


def _backend(service: Service) -> Backend:
    return Backend(service.upstream, _monotonic_ms, notice=_noticed(service.name))


def _total_ms(services: Iterable[Service]) -> int:
    return max((route.total_ms for service in services for route in service.routes.routes()), default=0)


def _noticed(service: str) -> Callable[[str, str], None]:
    """Where a backend's turns for the worse or the better are logged."""
    return lambda event, url: _log.warning(event, service=service, url=url)


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000
