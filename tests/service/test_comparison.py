"""What changes is counted, by whom it meets, and in bounded memory."""

import pytest

from guard.model.names import Address, UnixMs
from guard.model.questions import Reading
from guard.service import comparison
from guard.service.backtest import Verdict
from guard.service.comparison import Comparison
from guard.wire.access_log import LogLine
from tests.build import NOW, limit, slots


def line(key: str | None = "gk_1", at_ms: int = 0) -> LogLine:
    return LogLine(
        at=UnixMs(NOW + at_ms),
        verb="GET",
        authority=b"",
        path=b"/",
        service=None,
        ip=Address("192.0.2.1"),
        key=key,
        account=key,
        outcome="allow",
    )


def test_outcomes_are_counted_before_and_after() -> None:
    compared = Comparison()
    compared.add(line(), "allow", Verdict("limit.key"))
    compared.add(line(), "limit.key", Verdict("allow", ("limit.weight",)))
    compared.add(line(), "auth.stale", Verdict("auth.stale"))
    compared.add(line(), "limit.key", Verdict("limit.orders"))
    assert compared.before == {"allow": 1, "limit.key": 2, "auth.stale": 1}
    assert compared.after == {"limit.key": 1, "allow": 1, "auth.stale": 1, "limit.orders": 1}
    assert compared.shadow == {"limit.weight": 1}
    assert (compared.newly_denied, compared.newly_allowed, compared.newly_denied_share) == (1, 1, 0.25)


def test_whoever_is_met_most_stands_first_with_when_and_why() -> None:
    compared = Comparison()
    for at_ms, key in enumerate(["gk_1", "gk_2", "gk_2", None]):
        compared.add(line(key, at_ms), "allow", Verdict("limit.key" if at_ms < 2 else "limit.ip"))
    first, *others = compared.most_affected(10)
    assert (first.subject, first.count, first.first_at, dict(first.reasons)) == (
        "gk_2",
        2,
        NOW + 1,
        {"limit.key": 1, "limit.ip": 1},
    )
    assert [one.subject for one in others] == ["gk_1", "192.0.2.1"]
    assert len(compared.most_affected(1)) == 1


def test_more_subjects_than_are_told_apart_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "SUBJECTS_MAX", 2)
    compared = Comparison()
    for number in range(5):
        compared.add(line(f"gk_{number}"), "allow", Verdict("limit.key"))
    assert (len(compared.affected), compared.others_denied, compared.newly_denied) == (2, 3, 5)


def test_time_spans_the_log_in_whatever_order_it_comes() -> None:
    compared = Comparison()
    assert compared.lasted_ms == 0
    for at_ms in (500, 0, 2000):
        compared.add(line(at_ms=at_ms), "allow", Verdict("allow"))
    assert compared.lasted_ms == 2000


def test_how_full_meters_were_at_the_95th_request() -> None:
    compared, counted = Comparison(), limit("key", capacity=10)
    for used in [1] * 94 + [9] * 6:
        reading = Reading(counted, 10 - used, 0, 0, False, 1)  # noqa: FBT003  # as the struct lists them
        compared.add(line(), "allow", Verdict("allow", (), (reading,)))
    assert compared.fill_p95() == {"key": 90}


def test_slots_are_no_fill() -> None:
    compared = Comparison()
    compared.add(line(), "allow", Verdict("allow", (), (Reading(slots(), 0, 0, 0, False, 1),)))  # noqa: FBT003
    assert compared.fill_p95() == {}
