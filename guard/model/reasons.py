"""The one table of reasons: every way in which guard says no, and what each kind of client is told.

A code is stable API. What a client is told before it has proved to hold a key is limited to what ARCHITECTURE.md
section 6 lists: everything else is `auth.invalid` to it, and itself only in the log. Problem types are those of RFC
9457; three come from draft-ietf-httpapi-ratelimit-headers. WebSocket closes are those of RFC 6455 section 7.4; FIX
rejects are SessionRejectReason(373) values, None where the session ends with a Logout(5).
"""

from enum import StrEnum

import msgspec

QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"
TEMPORARY_REDUCED_CAPACITY = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"
ABNORMAL_USAGE_DETECTED = "https://iana.org/assignments/http-problem-types#abnormal-usage-detected"


class Fault(StrEnum):
    """Whose move it is."""

    CLIENT = "client"
    BACKEND = "backend"
    GATEWAY = "gateway"


class Reason(msgspec.Struct, frozen=True, gc=False):
    """One row. `public` is the code that the client sees; `type` is None where it is `urn:guard:problem:PUBLIC`."""

    code: str
    status: int
    title: str
    public: str
    fault: Fault
    ws_close: int
    fix_reject: int | None
    type: str | None = None

    @property
    def problem_type(self) -> str:
        """The RFC 9457 `type`."""
        return self.type or f"urn:guard:problem:{self.public}"


def _row(
    code: str,
    status: int,
    title: str,
    fault: Fault = Fault.CLIENT,
    ws_close: int = 1008,
    *,
    fix_reject: int | None = None,
    public: str | None = None,
    type_: str | None = None,
) -> Reason:
    return Reason(code, status, title, public or code, fault, ws_close, fix_reject, type_)


_INVALID = "auth.invalid"
_BACKEND, _GATEWAY = Fault.BACKEND, Fault.GATEWAY

TABLE: tuple[Reason, ...] = (
    _row("route.unknown", 404, "No policy knows this route", fix_reject=11),
    _row("route.method", 405, "This route has other methods", fix_reject=11),
    _row("request.misdirected", 421, "This gateway does not serve that authority"),
    _row("request.malformed", 400, "The message is ambiguous or ill-formed", fix_reject=5),
    _row("request.bad_path", 400, "The path has a spelling that two programs may read in two ways", fix_reject=5),
    _row("request.bad_body", 400, "The body cannot be read as its route or signature scheme demands", fix_reject=5),
    _row("request.too_many_items", 400, "The body lists more items than this route takes", fix_reject=5),
    _row("request.too_large", 413, "The body is larger than this route takes", ws_close=1009),
    _row("request.head_too_large", 431, "The head of the message is too large", ws_close=1009),
    _row("request.incomplete", 400, "The body ended early"),
    _row("request.timeout", 408, "The body did not arrive in time"),
    _row("auth.missing", 401, "This route needs a signed request"),
    _row("auth.malformed", 401, "The credentials do not have the form that their scheme demands"),
    _row("auth.stale", 401, "The request was signed too long ago", fix_reject=10),
    _row("auth.future", 401, "The request was signed in the future", fix_reject=10),
    _row("auth.invalid", 401, "The credentials are not valid", fix_reject=8),
    _row("auth.unknown_key", 401, "The credentials are not valid", public=_INVALID, fix_reject=8),
    _row("auth.bad_signature", 401, "The credentials are not valid", public=_INVALID, fix_reject=8),
    _row("auth.bad_digest", 401, "The credentials are not valid", public=_INVALID, fix_reject=8),
    _row("auth.algorithm", 401, "The credentials are not valid", public=_INVALID, fix_reject=8),
    _row("auth.compromised_key", 401, "The credentials are not valid", public=_INVALID, fix_reject=8),
    _row("auth.honeytoken", 401, "The credentials are not valid", public=_INVALID, fix_reject=8),
    _row("auth.replayed", 401, "This exact request was accepted before", fix_reject=8),
    _row("auth.inactive_key", 401, "The key is not active yet"),
    _row("auth.suspended_key", 401, "The key is suspended"),
    _row("auth.revoked_key", 401, "The key was revoked"),
    _row("auth.expired_key", 401, "The key has expired"),
    _row("authz.ip", 403, "The key may not be used from this network"),
    _row("authz.scope", 403, "The key lacks the scope that this route needs", fix_reject=11),
    _row("authz.bounds", 403, "The key is kept to less than this request asks for", fix_reject=11),
    _row("authz.require", 403, "The request lacks something that this route needs", fix_reject=11),
    _row("authz.halted", 403, "The operator has stopped this key or its account", fix_reject=11),
    _row("abuse.address_denied", 403, "This address may not use this service", type_=ABNORMAL_USAGE_DETECTED),
    _row("abuse.slow", 429, "Too many are waiting here because of what came from there", type_=ABNORMAL_USAGE_DETECTED),
    _row("abuse.throttle", 429, "The rates are lower for a while", type_=ABNORMAL_USAGE_DETECTED),
    _row("abuse.quarantine", 403, "Only reading and cancelling is allowed for a while", type_=ABNORMAL_USAGE_DETECTED),
    _row("abuse.ban", 403, "Nothing is allowed for a while", type_=ABNORMAL_USAGE_DETECTED),
    _row("limit.*", 429, "Request cannot be satisfied as assigned quota has been exceeded", type_=QUOTA_EXCEEDED),
    _row("store.unavailable", 503, "The gateway's memory did not answer", _GATEWAY, 1013),
    _row("gateway.overloaded", 503, "The gateway has no room", _GATEWAY, 1013, type_=TEMPORARY_REDUCED_CAPACITY),
    _row("gateway.draining", 503, "The gateway is going away", _GATEWAY, 1012, type_=TEMPORARY_REDUCED_CAPACITY),
    _row("gateway.clock", 503, "The gateway cannot be sure of the time", _GATEWAY, 1013),
    _row("gateway.halted", 503, "The operator has stopped this", _GATEWAY, 1013, type_=TEMPORARY_REDUCED_CAPACITY),
    _row("gateway.error", 500, "The gateway failed", _GATEWAY, 1011),
    _row("upstream.unreachable", 502, "The backend could not be reached", _BACKEND, 1013),
    _row("upstream.breaker_open", 503, "The backend fails too often to be asked now", _BACKEND, 1013),
    _row("upstream.broken", 502, "The backend broke off or answered nonsense", _BACKEND, 1011),
    _row("upstream.timeout", 504, "The backend did not answer in time", _BACKEND, 1013),
)

_BY_CODE = {row.code: row for row in TABLE}


def reason(code: str) -> Reason:
    """The row for a code. A limit's code is `limit.NAME`; all limits share one row but keep their own name."""
    row = _BY_CODE.get(code)
    if row is not None:
        return row
    if code.startswith("limit."):
        return msgspec.structs.replace(_BY_CODE["limit.*"], code=code, public=code)
    raise KeyError(code)
