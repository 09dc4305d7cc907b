"""What stands before and behind a service: whose address counts, where the backend is, how long we wait for it."""

from collections.abc import Iterator, Mapping
from typing import Final

from guard.model.policy import ClientAddressPolicy, UpstreamPolicy
from guard.model.rules import Rule
from guard.policy.diagnostic import Diagnostic, Severity, quoted
from guard.policy.document import Document, Path
from guard.policy.names import NameFault, is_variable, origin
from guard.policy.schema import ClientAddressPart, PolicyFile
from guard.policy.units import spelled

_IDLE_MS: Final = 4_000
"""Below the shortest keep-alive of usual backends (uvicorn's 5 s), so that it is we who close."""

_DURATION_MS_MAX: Final = 3_600_000
_BODY_BYTES_MAX: Final = 64 << 20
_EVERYONE: Final = ("0.0.0.0/0", "::/0")


def compile_client_ip(document: Document, part: ClientAddressPart) -> ClientAddressPolicy:
    """The part as the core reads it."""
    return ClientAddressPolicy(
        rule=Rule("client_ip", document.name, document.span(("client_ip",), key=True).line),
        trust=part.trust,
        field=(part.header or "x-forwarded-for").encode(),
        allow=part.allow,
        deny=part.deny,
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
    url, faults = _url(document, part.url, environment)
    upstream = UpstreamPolicy(
        url=url,
        connect_ms=part.timeout.connect,
        response_ms=part.timeout.response,
        idle_ms=_IDLE_MS,
        connections_max=part.connections,
        waiting_max=part.waiting,
    )
    return upstream, [*faults, *_timeout_faults(document, policy), *_body_faults(document, policy)]


def _url(document: Document, text: str, environment: Mapping[str, str]) -> tuple[str, list[Diagnostic]]:
    if not is_variable(text):
        return text, []
    value = environment.get(text[2:-1])
    place = ("upstream", "url")
    if value is None:
        return "", [document.fault("P109", place, f"the variable {quoted(text)} is not set")]
    try:
        if not is_variable(value):
            return origin(value), []
    except NameFault:
        pass
    return "", [document.fault("P109", place, f"the variable {quoted(text)} does not hold an http or https origin")]


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


def _body_faults(document: Document, policy: PolicyFile) -> Iterator[Diagnostic]:
    sizes: dict[Path, int] = {("upstream", "max_body"): policy.upstream.max_body}
    sizes |= {("routes", key, "max_body"): route.max_body for key, route in policy.routes.items() if route.max_body}
    for path, size in sizes.items():
        if size > _BODY_BYTES_MAX:
            yield document.fault("P107", path, "at most 64MiB: a signed body is held in memory until it is verified")
