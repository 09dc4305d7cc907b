"""A tally as Prometheus reads it: the text format, written by prometheus_client from values that it did not count."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Final, TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from guard.telemetry.families import FAMILIES, Family, Kind
from guard.telemetry.tally import Key, Tally

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4.encode()

_Value = TypeVar("_Value")


def exposition(tally: Tally) -> bytes:
    """The body of `/metrics`. Families without a row are left out."""
    return generate_latest(_Counted(tally))


class _Counted(Collector):
    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def collect(self) -> Iterable[Metric]:
        return (metric for metric in (_metric(family, self._tally) for family in FAMILIES) if metric.samples)


def _metric(family: Family, tally: Tally) -> Metric:
    name, text, labels = family.name, family.text, family.labels
    match family.kind:
        case Kind.COUNTER:
            counter = CounterMetricFamily(name, text, labels=labels)
            for values, count in _rows(family, tally.counts):
                counter.add_metric(values, count / family.per_unit)
            return counter
        case Kind.GAUGE:
            gauge = GaugeMetricFamily(name, text, labels=labels)
            for values, value in _rows(family, tally.gauges):
                gauge.add_metric(values, value / family.per_unit)
            return gauge
        case Kind.HISTOGRAM:
            histogram = HistogramMetricFamily(name, text, labels=labels)
            for values, timing in _rows(family, tally.timings):
                histogram.add_metric(values, _buckets(family, timing), timing[-1] / family.per_unit)
            return histogram


def _rows(family: Family, rows: Mapping[Key, _Value]) -> Iterator[tuple[tuple[str, ...], _Value]]:
    """In a fixed order, so that two scrapes can be compared."""
    return ((key[1:], rows[key]) for key in sorted(key for key in rows if key[0] == family.name))


def _buckets(family: Family, timing: tuple[int, ...]) -> list[tuple[str, float]]:
    """Prometheus counts a value in each bucket whose bound it does not exceed."""
    bounds = [*(str(bound / family.per_unit) for bound in family.bounds), "+Inf"]
    return list(zip(bounds, accumulate(timing[:-1]), strict=True))
