"""Whom a rule in shadow would have denied."""

from typing import Any

import pytest

from guard.model.names import Address, UnixMs
from guard.service import shadow_record
from guard.service.shadow_record import ShadowRecord
from guard.wire.access_log import LogLine
from tests.build import NOW


def line(at_ms: int = 0, **changes: Any) -> LogLine:
    fields: dict[str, Any] = {"verb": "GET", "authority": b"", "path": b"/", "service": "exchange", "key": "gk_1"}
    fields |= {"ip": Address("192.0.2.1"), "account": "acme", "outcome": "allow", "route": "GET /", "shadow": ()}
    return LogLine(at=UnixMs(NOW + at_ms), **{**fields, **changes})


def recorded(code: str, *lines: LogLine) -> ShadowRecord:
    record = ShadowRecord("exchange", code)
    for each in lines:
        record.add(each)
    return record


MET: dict[str, Any] = {"shadow": ("limit.other", "limit.weight")}


def test_keys_that_it_would_have_met_are_counted_against_all_that_were_there() -> None:
    record = recorded("limit.weight", line(0), line(1, **MET), line(2, key="gk_2"), line(3, **MET), line(4, key=None))
    assert (record.requests, record.denied, len(record.keys.active), len(record.keys.met)) == (5, 2, 2, 1)
    assert (record.addresses.active, record.addresses.met) == ({"192.0.2.1"}, {})
    assert record.share == pytest.approx(1 / 2)
    (one,) = record.most_met(10)
    assert (one.subject, one.count, one.first_at, one.last_at) == ("gk_1", 2, NOW + 1, NOW + 3)
    assert record.by_route == {"GET /": 2}
    assert (record.began_at, record.ended_at) == (NOW, NOW + 4)


def test_what_was_denied_anyway_and_what_was_for_others_does_not_count() -> None:
    record = recorded("limit.weight", line(outcome="limit.key", **MET), line(service="other", **MET))
    assert (record.requests, record.denied, record.keys.active) == (1, 0, {"gk_1"})


def test_who_was_refused_without_proof_was_not_there() -> None:
    forged = [line(key=f"gk_{number}", account=None, outcome="auth.unknown_key") for number in range(1000)]
    scans = [line(key=None, ip=Address(f"198.51.100.{last}"), outcome="route.not_found") for last in range(100)]
    record = recorded("limit.weight", line(**MET), *forged, *scans)
    assert (record.requests, record.share) == (1101, 1.0)


def test_many_who_only_read_do_not_hide_that_every_key_is_denied() -> None:
    readers = [line(key=None, account=None, ip=Address(f"198.51.100.{last}")) for last in range(100)]
    assert recorded("limit.weight", line(**MET), *readers).share == 1.0
    assert recorded("limit.weight", line(), *readers, line(key=None, account=None, **MET)).share == pytest.approx(
        1 / 101
    )


def test_a_pattern_means_every_code_that_it_matches() -> None:
    record = recorded("auth.*", line(shadow=("auth.stale",)), line(shadow=("authz.scope",)), line(shadow=("auth.x",)))
    assert record.denied == 2


def test_nobody_there_is_no_share() -> None:
    assert recorded("limit.weight").share == 0


def test_more_keys_than_can_be_told_apart_are_said_to_be_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow_record, "SUBJECTS_MAX", 2)
    record = recorded("limit.weight", *(line(key=f"gk_{number}", **MET) for number in range(3)))
    assert (record.overflowed, len(record.keys.active)) == (True, 2)
