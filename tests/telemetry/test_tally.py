"""Several processes' tallies add up to one."""

import msgspec

from guard.telemetry.tally import Tally, together

_ALLOWED = ("guard_decisions_total", "exchange", "GET /v1/x", "allow", "", "enforce")
_REPLAYED = ("guard_replay_rejected_total",)
_ADDED = ("guard_added_latency_seconds", "allow")
_IN_FLIGHT = ("guard_inflight_requests",)
_UP = ("guard_store_up", "redis")
_SKEW = ("guard_clock_skew_seconds", "redis")


def test_counts_and_timings_are_summed_row_by_row() -> None:
    one = Tally(counts={_ALLOWED: 2}, timings={_ADDED: (1, 0, 5)})
    two = Tally(counts={_ALLOWED: 3, _REPLAYED: 1}, timings={_ADDED: (1, 2, 7)})
    assert together([one, two]) == Tally(counts={_ALLOWED: 5, _REPLAYED: 1}, timings={_ADDED: (2, 2, 12)})


def test_gauges_are_joined_as_their_family_says() -> None:
    one = Tally(gauges={_IN_FLIGHT: 4, _UP: 1, _SKEW: 3})
    two = Tally(gauges={_IN_FLIGHT: 5, _UP: 0, _SKEW: -8})
    assert together([one, two]).gauges == {_IN_FLIGHT: 9, _UP: 0, _SKEW: -8}
    assert together([two, one]).gauges == {_IN_FLIGHT: 9, _UP: 0, _SKEW: -8}


def test_what_a_departed_process_counted_stays_and_what_it_held_does_not() -> None:
    gone = Tally(counts={_ALLOWED: 2}, timings={_ADDED: (1, 0, 5)}, gauges={_IN_FLIGHT: 4}).departed()
    assert together([gone, Tally(counts={_ALLOWED: 1})]) == Tally(counts={_ALLOWED: 3}, timings={_ADDED: (1, 0, 5)})


def test_a_tally_travels_as_bytes() -> None:
    tally = Tally(counts={_ALLOWED: 2}, timings={_ADDED: (1, 0, 5)}, gauges={_IN_FLIGHT: 4})
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(tally), type=Tally) == tally


def test_nothing_adds_up_to_nothing() -> None:
    assert together([]) == Tally()
