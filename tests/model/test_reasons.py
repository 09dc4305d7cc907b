"""The table of reasons: complete, consistent, and telling no more than may be told."""

import pytest

from guard.model.reasons import TABLE, Fault, Reason, reason

# ARCHITECTURE.md section 6: what may be told before verification, and the plain reasons after it.
_TOLD_BEFORE = {
    *("route.unknown", "route.method"),
    *("request.misdirected", "request.malformed", "request.bad_path", "request.bad_body", "request.too_large"),
    "request.too_many_items",
    *("request.head_too_large", "request.incomplete", "request.timeout"),
    *("auth.missing", "auth.malformed", "auth.stale", "auth.future", "auth.invalid"),
    *("abuse.address_denied", "abuse.slow", "abuse.throttle", "abuse.quarantine", "abuse.ban"),
    *("limit.*", "store.unavailable"),
    *("gateway.overloaded", "gateway.draining", "gateway.clock", "gateway.halted", "gateway.error"),
    *("upstream.unreachable", "upstream.breaker_open", "upstream.broken", "upstream.timeout"),
}
_TOLD_AFTER = {
    *("auth.replayed", "auth.inactive_key", "auth.suspended_key", "auth.revoked_key", "auth.expired_key"),
    *("authz.ip", "authz.scope", "authz.bounds", "authz.require", "authz.halted"),
}
_TOLD_NEVER = {
    *("auth.unknown_key", "auth.bad_signature", "auth.bad_digest", "auth.algorithm", "auth.compromised_key"),
    "auth.honeytoken",
}

_STATUS = {
    "auth.honeytoken": 401,
    "route.unknown": 404,
    "route.method": 405,
    "request.misdirected": 421,
    "request.malformed": 400,
    "request.bad_path": 400,
    "request.bad_body": 400,
    "request.too_many_items": 400,
    "request.too_large": 413,
    "request.head_too_large": 431,
    "request.incomplete": 400,
    "request.timeout": 408,
    "authz.ip": 403,
    "authz.scope": 403,
    "authz.bounds": 403,
    "authz.require": 403,
    "authz.halted": 403,
    "abuse.address_denied": 403,
    "abuse.slow": 429,
    "abuse.throttle": 429,
    "abuse.quarantine": 403,
    "abuse.ban": 403,
    "limit.*": 429,
    "store.unavailable": 503,
    "gateway.overloaded": 503,
    "gateway.draining": 503,
    "gateway.clock": 503,
    "gateway.halted": 503,
    "gateway.error": 500,
    "upstream.unreachable": 502,
    "upstream.breaker_open": 503,
    "upstream.broken": 502,
    "upstream.timeout": 504,
}


def test_the_table_has_exactly_the_rows_that_the_contract_names() -> None:
    assert {row.code for row in TABLE} == _TOLD_BEFORE | _TOLD_AFTER | _TOLD_NEVER
    assert len({row.code for row in TABLE}) == len(TABLE)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.code)
def test_a_row_is_fully_mapped(row: Reason) -> None:
    assert row.status == _STATUS.get(row.code, 401)
    assert row.title
    assert row.ws_close in {1008, 1009, 1011, 1012, 1013}
    assert row.problem_type.startswith(("urn:guard:problem:", "https://iana.org/assignments/http-problem-types#"))
    assert (row.fault is Fault.CLIENT) == (row.status < 500)


@pytest.mark.parametrize("code", sorted(_TOLD_NEVER))
def test_what_may_not_be_told_looks_like_every_other_invalid_credential(code: str) -> None:
    told, plain = reason(code), reason("auth.invalid")
    assert (told.public, told.title, told.status, told.problem_type, told.ws_close, told.fix_reject) == (
        plain.public,
        plain.title,
        plain.status,
        plain.problem_type,
        plain.ws_close,
        plain.fix_reject,
    )


def test_a_limit_keeps_its_name_and_shares_the_row() -> None:
    row = reason("limit.orders")
    assert (row.code, row.public, row.status) == ("limit.orders", "limit.orders", 429)


def test_a_code_without_a_row_is_a_bug_of_ours() -> None:
    with pytest.raises(KeyError):
        reason("nonsense")
