"""Policies as text for tests, and what the loader says of them."""

from collections.abc import Mapping

from guard.model.policy import Route, RouteNode, Service
from guard.policy.diagnostic import Diagnostic
from guard.policy.load import Invalid, Loaded, load_text

HEAD = "version: 1\nservice: exchange\nupstream: http://127.0.0.1:8081\n"
ROUTES = "routes:\n  GET /v1/time: {auth: none}\n  POST /v1/orders: {scope: trade, group: orders}\n"


def policy(*parts: str, routes: str = ROUTES) -> str:
    """A policy with these parts after the head and these routes at the end."""
    return HEAD + "".join(f"{part}\n" for part in parts) + routes


def found(text: str | bytes, *more: str, environment: Mapping[str, str] | None = None) -> tuple[Diagnostic, ...]:
    """All that the loader says of these files, warnings included."""
    files = {f"p{number}.yaml": one for number, one in enumerate((text, *more))}
    loaded = load_text(files, environment=environment)
    return loaded.diagnostics if isinstance(loaded, Invalid) else loaded.warnings


def told(text: str | bytes, *more: str, environment: Mapping[str, str] | None = None) -> list[tuple[str, int, str]]:
    """Code, line and message of each."""
    return [(one.code, one.line, one.message) for one in found(text, *more, environment=environment)]


def codes(text: str | bytes, *more: str) -> list[str]:
    """Only the codes."""
    return [one.code for one in found(text, *more)]


def loaded(text: str, *more: str, environment: Mapping[str, str] | None = None) -> Loaded:
    """What comes of files that are in order."""
    result = load_text({f"p{n}.yaml": one for n, one in enumerate((text, *more))}, environment=environment)
    assert isinstance(result, Loaded), result
    return result


def service(text: str) -> Service:
    """The one service of a file that is in order."""
    (only,) = loaded(text).policies.services
    return only


def routes(text: str) -> dict[str, Route]:
    """The routes of a file that is in order, by name."""
    return {route.name: route for route in _below(service(text).routes)}


def _below(node: RouteNode) -> list[Route]:
    nodes = [*node.literals.values(), *([node.variable] if node.variable is not None else [])]
    return [*node.here.values(), *node.rest.values(), *(route for below in nodes for route in _below(below))]
