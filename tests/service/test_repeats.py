"""What a signal has counted a moment ago is no news; everything else is."""

from typing import Any

import pytest

from guard.model.abuse import Distinct, Signal, SubjectKind
from guard.model.keys import KeyRecord
from guard.model.names import Address, KeyId, RequestId, UnixMs
from guard.service.repeats import TICKS, Repeats
from guard.service.sightings import Event
from tests.build import record, service, signal

_TICK_MS = 1000
_OVER_MS = TICKS * _TICK_MS
_NOW = UnixMs(1_800_000_000_000 // _TICK_MS * _TICK_MS)


def _signal(distinct: Distinct | None = Distinct.NETWORK, per: SubjectKind = SubjectKind.KEY, **changes: Any) -> Signal:
    return signal(**{"per": per, "distinct": distinct, "over_ms": _OVER_MS, "at_least": 5, **changes})


def _event(
    address: str = "192.0.2.1", holder: KeyRecord | None = None, claimed: str = "gk_claimed", route: str = "GET /a"
) -> Event:
    return Event(
        service(), Address(address), RequestId("req_1"), route=route, holder=holder or record(), claimed=claimed
    )


def test_the_same_value_is_counted_once_a_tick() -> None:
    repeats = Repeats()
    ticks = [repeats.again(_signal(), _event(), UnixMs(_NOW + ms)) for ms in (0, 1, _TICK_MS - 1, _TICK_MS, 1500)]
    assert ticks == [False, True, True, False, True]


@pytest.mark.parametrize(
    ("watched", "other"),
    [
        (_signal(), _event("192.0.2.2")),
        (_signal(), _event(holder=record(id=KeyId("gk_other")))),
        (_signal(Distinct.KEY, SubjectKind.IP), _event("192.0.2.2")),
        (_signal(Distinct.KEY, SubjectKind.IP), _event(claimed="gk_other")),
        (_signal(Distinct.IP, SubjectKind.ACCOUNT), _event("192.0.2.2")),
        (_signal(Distinct.ROUTE), _event(route="GET /b")),
    ],
)
def test_another_subject_or_value_is_news(watched: Signal, other: Event) -> None:
    repeats = Repeats()
    assert not repeats.again(watched, _event(), _NOW)
    assert not repeats.again(watched, other, _NOW)
    assert repeats.again(watched, _event(), _NOW)


def test_signals_do_not_hide_from_each_other() -> None:
    repeats = Repeats()
    assert not repeats.again(_signal(name="one"), _event(), _NOW)
    assert not repeats.again(_signal(name="two"), _event(), _NOW)


@pytest.mark.parametrize("watched", [_signal(None), _signal(at_least=1, over_ms=0)])
def test_a_signal_that_counts_events_counts_each(watched: Signal) -> None:
    repeats = Repeats()
    assert [repeats.again(watched, _event(), _NOW) for _ in range(3)] == [False] * 3


def test_what_was_forgotten_is_news_again() -> None:
    repeats = Repeats()
    repeats.again(_signal(), _event(), _NOW)
    repeats.forget()
    assert not repeats.again(_signal(), _event(), _NOW)


def test_a_full_table_forgets_rather_than_grows() -> None:
    repeats = Repeats(repeats_max=2)
    for host in range(1, 4):
        assert not repeats.again(_signal(), _event(f"192.0.2.{host}"), _NOW)
    assert not repeats.again(_signal(), _event("192.0.2.1"), _NOW)
    assert repeats.again(_signal(), _event("192.0.2.3"), _NOW)
