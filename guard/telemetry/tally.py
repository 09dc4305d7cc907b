"""What a process has counted, as a value: it travels to the supervisor, and several of them add up to one.

Each row is named by its family and its labels' values. Counts and timings only grow; a gauge is how it is now, and what
several processes make of it is said by its family (`families.py`).
"""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

import msgspec

from guard.telemetry.families import BY_NAME, Join

Key: TypeAlias = tuple[str, ...]
"""The family's name, then the value of each of its labels."""


class Tally(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """All rows of one process, or of several together.

    A timing has one count for each of its family's bounds, one for what is beyond, and at the end the sum of values.
    """

    counts: dict[Key, int] = {}
    timings: dict[Key, tuple[int, ...]] = {}
    gauges: dict[Key, int] = {}

    def departed(self) -> "Tally":
        """What stays of it once its process is gone: totals never go backwards, and nothing is under way any more."""
        return Tally(counts=self.counts, timings=self.timings)


def together(tallies: Iterable[Tally]) -> Tally:
    """The tally of several processes."""
    counts: dict[Key, int] = {}
    timings: dict[Key, tuple[int, ...]] = {}
    gauges: dict[Key, int] = {}
    for tally in tallies:
        for key, count in tally.counts.items():
            counts[key] = counts.get(key, 0) + count
        for key, timing in tally.timings.items():
            seen = timings.get(key)
            timings[key] = timing if seen is None else tuple(map(sum, zip(seen, timing, strict=True)))
        _join(gauges, tally.gauges)
    return Tally(counts=counts, timings=timings, gauges=gauges)


def _join(gauges: dict[Key, int], others: Mapping[Key, int]) -> None:
    for key, value in others.items():
        known = gauges.get(key)
        if known is None:
            gauges[key] = value
            continue
        match BY_NAME[key[0]].join:
            case Join.SUM:
                gauges[key] = known + value
            case Join.LEAST:
                gauges[key] = min(known, value)
            case Join.FARTHEST:
                gauges[key] = max(known, value, key=abs)
