"""What stands before and behind a service: whose address counts, where the backend is, how long we wait for it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from guard.model.policy import ClientAddressPolicy
from guard.model.rules import Rule
from guard.model.upstream_policy import APP, BreakerPolicy, HealthPolicy, UpstreamPolicy
from guard.policy.diagnostic import Diagnostic, Severity, quoted
from guard.policy.document import Document, Path
from guard.policy.modes import client_ip_mode
from guard.policy.names import NameFault, is_variable, origin
from guard.policy.network_lists import networks_in
from guard.policy.schema import ClientAddressPart, PolicyFile
from guard.policy.tls_files import tls_files
from guard.policy.units import spelled
from guard.policy.upstream_part import BreakerPart, HealthPart, UpstreamPart

_IDLE_MS: Final = 4_000
"""Below the shortest keep-alive of usual backends (uvicorn's 5 s), so that it is we who close."""

_DURATION_MS_MAX: Final = 3_600_000
_WATCH_MS_MIN: Final = 100
_BODY_BYTES_MAX: Final = 64 << 20
_FOR_AN_APP: Final = ("url", "max_body", "assertion")
_EVERYONE: Final = ("0.0.0.0/0", "::/0")


def compile_client_ip(document: Document, policy: PolicyFile) -> ClientAddressPolicy:
    """The part as the core reads it."""
    part = policy.client_ip
    return ClientAddressPolicy(
        rule=Rule("client_ip", document.name, document.span(("client_ip",), key=True).line, client_ip_mode(policy)),
        trust=part.trust,
        field=(part.header or "x-forwarded-for").encode(),
        allow=networks_in(document, part.allow),
        deny=networks_in(document, part.deny),
        v6_prefix=part.v6_prefix,
    )


def client_ip_faults(document: Document, part: ClientAddressPart) -> Iterator[Diagnostic]:
    """Warnings only: trust in everyone, and a field that nobody may set."""
    for position, network in enumerate(part.trust):
        if network in _EVERYONE:
            message = "everyone is trusted to say for whom they speak, so that any client can choose its address"
            path = ("client_ip", "trust", position)
            yield document.fault("P404", path, message, help_text="name your proxies", severity=Severity.WARNING)
    if part.header is not None and not part.trust:
        message = f"{quoted(part.header)} is never read, because no proxy is trusted"
        hint = "name the proxies in `trust`"
        yield document.fault("P404", ("client_ip", "header"), message, help_text=hint, severity=Severity.WARNING)


def compile_upstream(
    document: Document, policy: PolicyFile, environment: Mapping[str, str]
) -> tuple[UpstreamPolicy, list[Diagnostic]]:
    """The backend, `${NAME}` replaced. No fault tells what a variable holds."""
    part = policy.upstream
    urls, faults = _urls(document, part, environment)
    tls, tls_faults = tls_files(document, part.tls, secure=all(url.startswith("https:") for url in urls if url))
    upstream = UpstreamPolicy(
        urls=urls,
        connect_ms=part.timeout.connect,
        response_ms=part.timeout.response,
        idle_ms=_IDLE_MS,
        connections_max=part.connections,
        waiting_max=part.waiting,
        assertion=part.assertion is not None,
        tls=tls,
        health=_health(part.health),
        breaker=_breaker(part.breaker),
    )
    if urls == (APP,):
        faults += _app_faults(document, policy)
    else:
        faults += [*tls_faults, *_timeout_faults(document, policy), *_watch_faults(document, part)]
    return upstream, [*faults, *_body_faults(document, policy)]


def _urls(
    document: Document, part: UpstreamPart, environment: Mapping[str, str]
) -> tuple[tuple[str, ...], list[Diagnostic]]:
    if part.url is not None and part.urls:
        message = "`url` and `urls` exclude one another"
        return (), [document.fault("P110", ("upstream", "urls"), message, key=True)]
    if part.url is not None:
        url, faults = _url(document, part.url, environment, ("upstream", "url"))
        return (url,), faults
    if not part.urls:
        return (), [document.fault("P105", ("upstream",), "the field `url` is missing", key=True)]
    found: list[str] = []
    faults = []
    for position, text in enumerate(part.urls):
        place: Path = ("upstream", "urls", position)
        url, wrong = _url(document, text, environment, place)
        faults += wrong or _unlike(document, url, found, place)
        found.append(url)
    return tuple(found), faults


def _unlike(document: Document, url: str, found: Sequence[str], place: Path) -> list[Diagnostic]:
    """What keeps an origin from standing beside those before it."""
    if url == APP:
        return [document.fault("P110", place, "`app` stands alone", help_text="write `url: app`")]
    if url in found:
        return [document.fault("P110", place, "the same origin a second time", help_text="leave it out")]
    if any(other.partition(":")[0] != url.partition(":")[0] for other in found if other):
        message = "another scheme than an origin before it"
        return [document.fault("P110", place, message, help_text="write http everywhere, or https")]
    return []


def _url(document: Document, text: str, environment: Mapping[str, str], place: Path) -> tuple[str, list[Diagnostic]]:
    if not is_variable(text):
        return text, []
    value = environment.get(text[2:-1])
    if value is None:
        return "", [document.fault("P109", place, f"the variable {quoted(text)} is not set")]
    try:
        if not is_variable(value):
            return origin(value), []
    except NameFault:
        pass
    return "", [document.fault("P109", place, f"the variable {quoted(text)} does not hold an http or https origin")]


def _health(part: HealthPart | None) -> HealthPolicy | None:
    if part is None:
        return None
    return HealthPolicy(
        path=part.path.encode("ascii"),
        every_ms=part.every,
        timeout_ms=part.timeout,
        healthy=part.healthy,
        unhealthy=part.unhealthy,
    )


def _breaker(part: BreakerPart | None) -> BreakerPolicy | None:
    if part is None:
        return None
    return BreakerPolicy(
        failures_percent=part.failures, exchanges_min=part.min_, window_ms=part.window, open_ms=part.open_
    )


def _watch_faults(document: Document, part: UpstreamPart) -> Iterator[Diagnostic]:
    """Checks and breakers that would never rest, or never speak."""
    health, breaker = part.health, part.breaker
    times: dict[Path, int] = {}
    if health is not None:
        times = {("health", "every"): health.every, ("health", "timeout"): health.timeout}
        if health.timeout > health.every:
            message = f"longer than `every` ({spelled(health.every)})"
            yield document.fault("P107", ("upstream", "health", "timeout"), message)
    if breaker is not None:
        times |= {("breaker", "window"): breaker.window, ("breaker", "open"): breaker.open_}
    for path, time in times.items():
        if not _WATCH_MS_MIN <= time <= _DURATION_MS_MAX:
            message = f"at least {spelled(_WATCH_MS_MIN)}, at most {spelled(_DURATION_MS_MAX)}"
            yield document.fault("P107", ("upstream", *path), message)


def _timeout_faults(document: Document, policy: PolicyFile) -> Iterator[Diagnostic]:
    timeout = policy.upstream.timeout
    totals: dict[Path, int] = {("upstream", "timeout", "total"): timeout.total}
    totals |= {("routes", key, "timeout"): route.timeout for key, route in policy.routes.items() if route.timeout}
    for path, total in totals.items():
        if total > _DURATION_MS_MAX:
            yield document.fault("P107", path, f"at most {spelled(_DURATION_MS_MAX)}")
    for field, value in (("connect", timeout.connect), ("response", timeout.response)):
        if value > timeout.total:
            message = f"`{field}` is longer than `total` ({spelled(timeout.total)}), and would never be reached"
            yield document.fault("P107", ("upstream", "timeout", field), message)


def _app_faults(document: Document, policy: PolicyFile) -> Iterator[Diagnostic]:
    """No connection, no waiting: how long an application takes is its own affair."""
    unused: list[Path] = [("upstream", name) for name in policy.upstream.model_fields_set if name not in _FOR_AN_APP]
    unused += [("routes", key, "timeout") for key, route in policy.routes.items() if route.timeout]
    for path in unused:
        message = f"`{path[-1]}` means nothing where the application itself is the backend"
        yield document.fault("P110", path, message)


def _body_faults(document: Document, policy: PolicyFile) -> Iterator[Diagnostic]:
    sizes: dict[Path, int] = {("upstream", "max_body"): policy.upstream.max_body}
    sizes |= {("routes", key, "max_body"): route.max_body for key, route in policy.routes.items() if route.max_body}
    for path, size in sizes.items():
        if size > _BODY_BYTES_MAX:
            yield document.fault("P107", path, "at most 64MiB: a signed body is held in memory until it is verified")
