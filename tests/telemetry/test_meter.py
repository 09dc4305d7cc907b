"""What happens is counted, in rows whose number is bounded."""

import pytest

from guard.telemetry import families
from guard.telemetry.meter import OTHER, Meter

_DECISIONS, _REPLAYS = "guard_decisions_total", ("guard_replay_rejected_total",)


def test_decisions_are_counted_by_all_their_labels() -> None:
    meter = Meter()
    for _ in range(3):
        meter.decision("exchange", "GET /v1/x", "allow", "", "enforce")
    meter.decision("exchange", "GET /v1/x", "deny", "limit.key", "enforce")
    counts = meter.tally().counts
    assert counts[_DECISIONS, "exchange", "GET /v1/x", "allow", "", "enforce"] == 3
    assert counts[_DECISIONS, "exchange", "GET /v1/x", "deny", "limit.key", "enforce"] == 1


def test_a_replay_is_counted_where_it_was_refused_and_not_in_shadow() -> None:
    meter = Meter()
    assert meter.tally().counts[_REPLAYS] == 0, "a counter is there before its first event"
    meter.decision("exchange", "GET /v1/x", "deny", "auth.replayed", "enforce")
    meter.decision("exchange", "GET /v1/x", "deny", "auth.replayed", "shadow")
    assert meter.tally().counts[_REPLAYS] == 1


def test_a_conclusion_is_a_decision_with_what_guard_added_and_what_the_backend_took() -> None:
    meter = Meter()
    meter.concluded("exchange", "GET /v1/x", "allow", "", guard_us=70, upstream_us=1_500)
    meter.concluded("exchange", "GET /v1/x", "allow", "", guard_us=70, upstream_us=None)
    tally = meter.tally()
    assert tally.counts[_DECISIONS, "exchange", "GET /v1/x", "allow", "", "enforce"] == 2
    added = tally.timings["guard_added_latency_seconds", "allow"]
    assert (added[1], added[-1]) == (2, 140)
    upstream = tally.timings["guard_upstream_latency_seconds", "exchange"]
    assert (upstream[1], upstream[-1]) == (1, 1_500)


def test_what_was_never_timed_has_no_row() -> None:
    meter = Meter()
    meter.decision("exchange", "GET /v1/x", "deny", "limit.key", "shadow")
    assert meter.tally().timings == {}


def test_a_duration_is_counted_under_the_first_bound_that_it_does_not_exceed() -> None:
    meter = Meter()
    for us in (0, 50, 51, 50_000, 50_001):
        meter.concluded("s", "r", "allow", "", guard_us=us, upstream_us=None)
    timing = meter.tally().timings["guard_added_latency_seconds", "allow"]
    assert timing == (2, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 100_102)
    assert len(timing) == len(families.ADDED.bounds) + 2


def test_each_kind_of_duration_has_its_own_rows() -> None:
    meter = Meter()
    meter.store_op("charge", "ok", 80)
    meter.revocation_delay(120)
    timings = meter.tally().timings
    assert timings["guard_store_op_seconds", "charge", "ok"][1] == 1
    assert timings["guard_revocation_delay_seconds",][3] == 1


def test_a_gauge_is_how_it_is_now() -> None:
    meter = Meter(in_flight=lambda: 7, policy=lambda: "3f2a91c")
    meter.store_up("redis", up=True)
    meter.store_up("redis", up=False)
    meter.clock_skew("redis", -4)
    meter.workers({"ready": 3, "starting": 1})
    assert meter.tally().gauges == {
        ("guard_store_up", "redis"): 0,
        ("guard_clock_skew_seconds", "redis"): -4,
        ("guard_workers", "ready"): 3,
        ("guard_workers", "starting"): 1,
        ("guard_inflight_requests",): 7,
        ("guard_policy_info", "3f2a91c"): 1,
    }


def test_failures_fallbacks_and_restarts_are_counted() -> None:
    meter = Meter()
    meter.failure()
    meter.store_fallback("replay")
    meter.restart()
    counts = meter.tally().counts
    assert counts["guard_failures_total",] == 1
    assert counts[_DECISIONS, "", "", "deny", "gateway.error", "enforce"] == 1
    assert counts["guard_store_fallback_total", "replay"] == 1
    assert counts["guard_worker_restarts_total",] == 1


def test_what_would_need_a_row_too_many_is_counted_under_other() -> None:
    meter = Meter(rows_max=4)
    for number in range(9):
        meter.store_op(f"op{number}", "ok", 1)
        meter.store_up(f"store{number}", up=True)
        meter.store_fallback(f"function{number}")
    tally = meter.tally()
    assert tally.counts["guard_store_fallback_total", OTHER] == 6
    assert tally.timings["guard_store_op_seconds", OTHER, OTHER][0] == 5
    assert len([key for key in tally.gauges if key[0] == "guard_store_up"]) == 5
    meter.store_op("op0", "ok", 1)
    assert meter.tally().timings["guard_store_op_seconds", "op0", "ok"][0] == 2, "a row that is there goes on"


def test_decisions_of_services_and_routes_too_many_keep_their_reasons() -> None:
    meter = Meter(rows_max=4)
    for number in range(9):
        meter.concluded(f"s{number}", "r", "deny", "auth.replayed", guard_us=1, upstream_us=1)
    tally = meter.tally()
    assert tally.counts[_DECISIONS, OTHER, OTHER, "deny", "auth.replayed", "enforce"] == 5
    assert tally.counts[_REPLAYS] == 9
    assert len([key for key in tally.counts if key[0] == _DECISIONS]) == 5
    meter.decision("s0", "r", "deny", "auth.replayed", "enforce")
    assert meter.tally().counts[_DECISIONS, "s0", "r", "deny", "auth.replayed", "enforce"] == 2


def test_a_tally_is_not_changed_by_what_comes_after() -> None:
    meter = Meter()
    meter.concluded("s", "r", "allow", "", guard_us=1, upstream_us=None)
    before = meter.tally()
    meter.concluded("s", "r", "allow", "", guard_us=1, upstream_us=None)
    meter.failure()
    assert before.timings["guard_added_latency_seconds", "allow"][0] == 1
    assert before.counts["guard_failures_total",] == 0


@pytest.mark.parametrize("family", families.FAMILIES, ids=lambda family: family.name)
def test_every_family_is_counted_by_somebody_with_as_many_labels_as_it_has(family: families.Family) -> None:
    meter = Meter(in_flight=lambda: 1, policy=lambda: "v")
    meter.decision("s", "r", "deny", "auth.replayed", "enforce")
    meter.failure()
    meter.store_fallback("replay")
    meter.restart()
    meter.concluded("s", "r", "allow", "", guard_us=1, upstream_us=1)
    meter.store_op("charge", "ok", 1)
    meter.revocation_delay(1)
    meter.store_up("redis", up=True)
    meter.clock_skew("redis", 1)
    meter.workers({"ready": 1})
    meter.policy_reloaded("swapped", good=True)
    meter.signal("s", "forgery")
    meter.ban("ban", "enforce")
    meter.ban_capped()
    meter.put_back("spot", "limits.weight")
    meter.sightings_lost(2)
    tally = meter.tally()
    keys = [key for key in (*tally.counts, *tally.timings, *tally.gauges) if key[0] == family.name]
    assert keys
    assert {len(key) for key in keys} == {1 + len(family.labels)}
