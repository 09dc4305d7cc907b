"""Which rules of policies no test speaks of: routes that none reaches, signals of abuse that none makes count."""

from collections.abc import Iterator, Mapping, Sequence

from guard.model.policy import Service
from guard.policy.diagnostic import Diagnostic, Severity, quoted
from guard.policy.document import Document
from guard.policy.files import services_in
from guard.policy.load import Loaded
from guard.service.policy_tests import Verdict


def coverage_faults(loaded: Loaded, verdicts: Sequence[Verdict]) -> Iterator[Diagnostic]:
    """P410, as a warning: each group of routes without a test, and each own signal that is not shown both ways."""
    services = {service.name: service for service in loaded.policies.services}
    for document in services_in(loaded.contents):
        service = services[str(document.content["service"])]
        ran = [verdict for verdict in verdicts if verdict.case.service == service.name]
        yield from _routes(document, service, ran)
        yield from _signals(document, ran)


def _routes(document: Document, service: Service, ran: Sequence[Verdict]) -> Iterator[Diagnostic]:
    reached = {route for verdict in ran for route in verdict.routes}
    groups: dict[str, list[str]] = {}
    for route in sorted(service.routes.routes(), key=lambda route: route.rule.line):
        groups.setdefault(route.group or route.name, []).append(route.name)
    for group, routes in groups.items():
        if reached.isdisjoint(routes):
            what = f"the group {quoted(group)}" if group not in routes else quoted(group)
            yield _untested(document, ("routes", routes[0]), f"no test sends a request to {what}")


def _signals(document: Document, ran: Sequence[Verdict]) -> Iterator[Diagnostic]:
    abuse = document.content.get("abuse")
    signals = abuse.get("signals") if isinstance(abuse, Mapping) else None
    for name in signals if isinstance(signals, Mapping) else ():
        fired = [name in verdict.signals for verdict in ran]
        if not any(fired):
            yield _untested(document, ("abuse", "signals", name), f"no test makes the signal {quoted(name)} count")
        elif all(fired):
            message = f"no test shows when the signal {quoted(name)} does not count"
            yield _untested(document, ("abuse", "signals", name), message)


def _untested(document: Document, path: tuple[str, ...], message: str) -> Diagnostic:
    hint = "write one under `tests`, or in a `*.test.yaml` beside the policy"
    return document.fault("P410", path, message, help_text=hint, severity=Severity.WARNING, key=True)
