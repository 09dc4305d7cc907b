"""Lines of JSON access logs as values: guard's own decision log, and the usual forms of nginx and Envoy.

What was signed, and what the body was, stands in none of them. A decision log names the route's template and not the
path, so a path that the template matches stands for it.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

import msgspec

from guard.model.names import Address, UnixMs

_VARIABLE = re.compile(r"\{[^}]*\}")
_REFUSED_AUTH = {401: "auth.invalid", 403: "authz.scope"}
_FAILED = 500
_PORT = re.compile(r"^(\[[^\]]+\]|[0-9.]+):\d+$")


class LogForm(StrEnum):
    """Which program wrote the log."""

    GUARD = "guard"
    NGINX = "nginx"
    ENVOY = "envoy"


class LogLine(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One request as the log tells it. `outcome` is `allow` or a reason code. `path` None: it matched no route then.

    Where the log tells them, `service` and `route` are those that it was for, `shadow` what shadow rules would have
    said, and `cost` what it cost.
    """

    at: UnixMs
    verb: str
    authority: bytes
    path: bytes | None
    query: bytes | None = None
    service: str | None
    ip: Address
    key: str | None
    account: str | None
    outcome: str
    route: str | None = None
    shadow: tuple[str, ...] = ()
    cost: int | None = None
    body_bytes: int | None = None


class LogError(ValueError):
    """A line that cannot be read. The text says why."""


class _Names(msgspec.Struct, frozen=True):
    """Under which names a form tells what; the first that is there counts."""

    at: tuple[str, ...]
    verb: tuple[str, ...]
    path: tuple[str, ...]
    authority: tuple[str, ...]
    ip: tuple[str, ...]
    status: tuple[str, ...]
    body_bytes: tuple[str, ...]


_NAMES = {
    LogForm.NGINX: _Names(
        at=("time_iso8601", "msec", "time", "@timestamp"),
        verb=("request_method", "method"),
        path=("request_uri", "uri"),
        authority=("http_host", "host"),
        ip=("remote_addr", "client"),
        status=("status",),
        body_bytes=("content_length",),
    ),
    LogForm.ENVOY: _Names(
        at=("start_time", "timestamp"),
        verb=("method", ":method"),
        path=("path", ":path", "x-envoy-original-path"),
        authority=("authority", ":authority"),
        ip=("downstream_remote_address_without_port", "downstream_remote_address", "downstream_direct_remote_address"),
        status=("response_code", "status"),
        body_bytes=("bytes_received",),
    ),
}


class _Decision(msgspec.Struct, frozen=True):
    """The part of a line of the decision log that is needed here."""

    ts: str
    decision: str
    reason: str | None = None
    service: str | None = None
    method: str | None = None
    route: str | None = None
    cost: int | None = None
    shadow: tuple[str, ...] = ()
    key: str | None = None
    account: str | None = None
    ip: str | None = None
    bytes_in: int | None = None


def line_reader(form: LogForm, key_field: str | None = None) -> Callable[[bytes], LogLine]:
    """What reads one line of a log. It raises LogError. `key_field` names the field that holds the API key's id."""
    if form is LogForm.GUARD:
        return _decision_reader()
    names, decode = _NAMES[form], msgspec.json.Decoder(dict[str, object]).decode

    def read(line: bytes) -> LogLine:
        try:
            told = decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise LogError(f"no JSON object: {error}") from None
        return _told(told, names, key_field)

    return read


def _decision_reader() -> Callable[[bytes], LogLine]:
    decode = msgspec.json.Decoder(_Decision).decode

    def read(line: bytes) -> LogLine:
        try:
            told = decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise LogError(f"no line of a decision log: {error}") from None
        verb, path = _specimen(told.route) if told.route is not None else (told.method or "", None)
        if told.method is not None and path is not None:
            verb = told.method
        return LogLine(
            at=_unix_ms(told.ts),
            verb=verb,
            authority=b"",
            path=path,
            service=told.service,
            ip=Address(told.ip or ""),
            key=told.key,
            account=told.account,
            outcome="allow" if told.decision == "allow" or told.reason is None else told.reason,
            route=told.route,
            shadow=told.shadow,
            cost=told.cost,
            body_bytes=told.bytes_in,
        )

    return read


@lru_cache(maxsize=4096)
def _specimen(route: str) -> tuple[str, bytes]:
    """A method and a path that match the route."""
    verb, _, template = route.partition(" ")
    return verb, _VARIABLE.sub("0", template).encode()


def _told(told: Mapping[str, object], names: _Names, key_field: str | None) -> LogLine:
    path, asked, query = str(_first(told, names.path, "path")).partition("?")
    status = _number(told, names.status)
    key, length = None if key_field is None else told.get(key_field), _number(told, names.body_bytes)
    named = str(key) if key not in (None, "", "-") else None
    return LogLine(
        at=_unix_ms(_first(told, names.at, "time")),
        verb=str(_first(told, names.verb, "method")),
        authority=str(_any(told, names.authority) or "").encode(),
        path=path.encode(),
        query=query.encode() if asked else None,
        service=None,
        ip=Address(_without_port(str(_first(told, names.ip, "client address")))),
        key=named,
        account=named,
        outcome=_REFUSED_AUTH.get(status, "allow") if status is not None and status < _FAILED else "allow",
        body_bytes=length,
    )


def _any(told: Mapping[str, object], names: tuple[str, ...]) -> object:
    return next((told[name] for name in names if told.get(name) not in (None, "", "-")), None)


def _first(told: Mapping[str, object], names: tuple[str, ...], what: str) -> object:
    found = _any(told, names)
    if found is None:
        raise LogError(f"no {what}: none of {', '.join(names)}")
    return found


def _number(told: Mapping[str, object], names: tuple[str, ...]) -> int | None:
    found = _any(told, names)
    try:
        return None if found is None else int(str(found))
    except ValueError:
        raise LogError(f"{found!r} is no number") from None


def _unix_ms(written: object) -> UnixMs:
    """RFC 3339, or seconds since 1970."""
    try:
        if isinstance(written, int | float) or str(written)[:11].replace(".", "").isdigit():
            return UnixMs(round(float(str(written)) * 1000))
        return UnixMs(round(datetime.fromisoformat(str(written)).timestamp() * 1000))
    except (ValueError, OverflowError):
        raise LogError(f"{written!r} is no time: RFC 3339, or seconds since 1970") from None


def _without_port(address: str) -> str:
    found = _PORT.match(address)
    return (found[1] if found else address).strip("[]")
