"""A Deny as the answer that an HTTP client gets: problem+json (RFC 9457) and the fields beside it.

Everything comes from the public column of the reasons table. Where several internal reasons share a public one, their
answers differ in nothing but the request id, so that nobody learns which it was (ARCHITECTURE.md section 6).
"""

import msgspec

from guard.model.decision import Deny
from guard.model.exchange import Sent
from guard.model.facts import Field
from guard.model.names import RequestId
from guard.model.questions import Reading
from guard.model.reasons import TABLE, Reason, reason
from guard.wire.owned_fields import GUARD_REASON, GUARD_REQUEST_ID, GUARD_SENT
from guard.wire.rate_limit_fields import rate_limit, seconds
from guard.wire.structured_fields import string

GATEWAY = "guard"
"""The realm of a refusal before any service is known."""

_SHARED = frozenset(row.public for row in TABLE if row.public != row.code)
_CLOCK = frozenset({"auth.stale", "auth.future"})


class ProblemAnswer(msgspec.Struct, frozen=True, gc=False):
    """Status, fields and body. `content-length` is the body's, also where the edge withholds the body (HEAD)."""

    status: int
    fields: tuple[Field, ...]
    body: bytes


class _Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    type: str
    title: str
    status: int
    code: str
    detail: str | None = None
    request_id: RequestId
    sent: Sent
    violated_policies: tuple[str, ...] = msgspec.field(default=(), name="violated-policies")
    retry_after_ms: int | None = None
    server_time_ms: int | None = None
    skew_ms: int | None = None


def problem(deny: Deny, request_id: RequestId, sent: Sent, service: str) -> ProblemAnswer:
    """The answer to a message that was denied. `service` names the realm of a 401.

    Retry-After is given with a 429 whose cost can ever fit, and with each 503; it is never earlier than any `t` of the
    limits that were short. Raises KeyError for a code that has no row, ValueError for a service name beyond ASCII.
    """
    row = reason(reason(deny.code).public)
    if row.public in _SHARED:
        deny = Deny(code=row.public)
    short = tuple(reading for reading in deny.readings if reading.short and reading.vetoes and reading.limit.exposed)
    body = msgspec.json.encode(_body(row, deny, short, request_id, sent))
    fields: tuple[Field, ...] = (
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (GUARD_REQUEST_ID, request_id.encode("ascii")),
        (GUARD_REASON, row.public.encode("ascii")),
        (GUARD_SENT, sent.value.encode("ascii")),
        *_retry_after(row, deny, short),
        *_by_status(row, deny, service),
        *rate_limit(deny.readings),
    )
    return ProblemAnswer(row.status, fields, body)


def _body(row: Reason, deny: Deny, short: tuple[Reading, ...], request_id: RequestId, sent: Sent) -> _Problem:
    tells_time = row.public in _CLOCK
    return _Problem(
        type=row.problem_type,
        title=row.title,
        status=row.status,
        code=row.public,
        detail=deny.detail or None,
        request_id=request_id,
        sent=sent,
        violated_policies=tuple(reading.limit.name for reading in short),
        retry_after_ms=deny.wait_ms,
        server_time_ms=deny.server_time if tells_time else None,
        skew_ms=deny.skew_ms if tells_time else None,
    )


def _retry_after(row: Reason, deny: Deny, short: tuple[Reading, ...]) -> tuple[Field, ...]:
    if row.status == 503:  # noqa: PLR2004  # statuses are their own names
        wait_ms = deny.wait_ms or 0
    elif row.status == 429 and deny.wait_ms is not None:  # noqa: PLR2004
        wait_ms = deny.wait_ms
    else:
        return ()
    wait_ms = max(wait_ms, *(reading.next_ms for reading in short), 1)
    return ((b"retry-after", b"%d" % seconds(wait_ms)),)


def _by_status(row: Reason, deny: Deny, service: str) -> tuple[Field, ...]:
    """What RFC 9110 demands beside a 401 (section 11.6.1) and a 405 (section 10.2.1)."""
    match row.status:
        case 401:
            challenge = b"Guard realm=" + string(service) + b", error=" + string(row.public)
            return ((b"www-authenticate", challenge),)
        case 405:
            return ((b"allow", ", ".join(deny.allow).encode("ascii")),)
        case _:
            return ()
