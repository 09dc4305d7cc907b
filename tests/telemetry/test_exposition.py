"""`/metrics`, read back by the parser of prometheus_client."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from guard.telemetry.exposition import CONTENT_TYPE, exposition
from guard.telemetry.meter import Meter
from guard.telemetry.tally import Tally


def _samples(text: bytes) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for metric in text_string_to_metric_families(text.decode())
        for sample in metric.samples
    }


def _counted() -> Tally:
    meter = Meter(in_flight=lambda: 3, policy=lambda: "3f2a91c")
    for us in (50, 30_000, 90_000):
        meter.concluded("exchange", 'GET /v1/"x"\\y\n', "deny", "limit.key", guard_us=us, upstream_us=None)
    meter.clock_skew("redis", -1_250)
    return meter.tally()


def test_counts_gauges_and_odd_labels_are_read_back_as_they_were_counted() -> None:
    samples = _samples(exposition(_counted()))
    labels = {"service": "exchange", "route": 'GET /v1/"x"\\y\n', "decision": "deny", "reason": "limit.key"}
    assert samples["guard_decisions_total", frozenset({**labels, "mode": "enforce"}.items())] == 3
    assert samples["guard_inflight_requests", frozenset()] == 3
    assert samples["guard_policy_info", frozenset({("version", "3f2a91c")})] == 1
    assert samples["guard_clock_skew_seconds", frozenset({("against", "redis")})] == -1.25


def test_a_histogram_is_cumulative_in_seconds() -> None:
    samples = _samples(exposition(_counted()))

    def up_to(bound: str) -> float:
        return samples["guard_added_latency_seconds_bucket", frozenset({("decision", "deny"), ("le", bound)})]

    assert [up_to(bound) for bound in ("5e-05", "0.0001", "0.02", "0.05", "+Inf")] == [1, 1, 1, 2, 3]
    assert samples["guard_added_latency_seconds_count", frozenset({("decision", "deny")})] == 3
    assert samples["guard_added_latency_seconds_sum", frozenset({("decision", "deny")})] == pytest.approx(0.12005)


def test_what_was_never_counted_is_left_out() -> None:
    assert exposition(Tally()) == b""


def test_the_content_type_names_the_format() -> None:
    assert CONTENT_TYPE == b"text/plain; version=0.0.4; charset=utf-8"
