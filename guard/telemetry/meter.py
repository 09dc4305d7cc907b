"""What a process counts: plain integers in plain dictionaries, bumped in the one thread that serves.

Rows are bounded: once `rows_max` of a kind are there, what would need one more is counted under the label `(other)`,
so that no client and no policy can make the process grow.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sized
from typing import Final

from guard.telemetry import families
from guard.telemetry.families import Family
from guard.telemetry.tally import Key, Tally

OTHER: Final = "(other)"

_DECISIONS = families.DECISIONS.name
_REPLAYS: Key = (families.REPLAYS.name,)
_FAILURES: Key = (families.FAILURES.name,)
_RESTARTS: Key = (families.RESTARTS.name,)
_REPLAYED = "auth.replayed"


class Meter:
    """Each method counts one event: a dictionary's entry or two, never a wait, never an error.

    `in_flight` and `policy` are asked when a tally is taken.
    """

    def __init__(
        self, *, in_flight: Callable[[], int] = lambda: 0, policy: Callable[[], str] = str, rows_max: int = 4096
    ) -> None:
        self._in_flight = in_flight
        self._policy = policy
        self._rows_max = rows_max
        self._counts: dict[Key, int] = {_REPLAYS: 0, _FAILURES: 0}
        self._timings: dict[Key, list[int]] = {}
        self._gauges: dict[Key, int] = {}

    def decision(self, service: str, route: str, decision: str, reason: str, mode: str) -> None:
        """A message was judged: `reason` is empty for what went well, service and route where none was found."""
        self._count((_DECISIONS, service, route, decision, reason, mode))
        if reason == _REPLAYED and mode == "enforce":
            self._counts[_REPLAYS] += 1

    def added(self, decision: str, us: int) -> None:
        """What guard itself took for a message."""
        self._observe(families.ADDED, (families.ADDED.name, decision), us)

    def upstream(self, service: str, us: int) -> None:
        """What a backend took for a message."""
        self._observe(families.UPSTREAM, (families.UPSTREAM.name, service), us)

    def failure(self) -> None:
        """A message was denied for a fault of our own."""
        self.decision("", "", "deny", "gateway.error", "enforce")
        self._counts[_FAILURES] += 1

    def store_op(self, op: str, outcome: str, us: int) -> None:
        """See `state.protocols.StoreMeter`."""
        self._observe(families.STORE_OPS, (families.STORE_OPS.name, op, outcome), us)

    def store_up(self, store: str, up: bool) -> None:  # noqa: FBT001  # it is what the metric says
        """See `state.protocols.StoreMeter`."""
        self._gauge((families.STORE_UP.name, store), int(up))

    def store_fallback(self, function: str) -> None:
        """See `state.protocols.StoreMeter`."""
        self._count((families.FALLBACKS.name, function))

    def revocation_delay(self, ms: int) -> None:
        """See `state.protocols.StoreMeter`."""
        self._observe(families.REVOCATIONS, (families.REVOCATIONS.name,), ms)

    def clock_skew(self, against: str, ms: int) -> None:
        """See `state.protocols.StoreMeter`."""
        self._gauge((families.CLOCK_SKEW.name, against), ms)

    def workers(self, states: Mapping[str, int]) -> None:
        """How many workers are in each state now."""
        self._counts.setdefault(_RESTARTS, 0)
        for state, count in states.items():
            self._gauge((families.WORKERS.name, state), count)

    def restart(self) -> None:
        """A worker was started in the place of another."""
        self._count(_RESTARTS)

    def tally(self) -> Tally:
        """All of it, as it is now."""
        now: dict[Key, int] = {(families.IN_FLIGHT.name,): self._in_flight()}
        version = self._policy()
        if version:
            now[families.POLICY.name, version] = 1
        return Tally(
            counts=dict(self._counts),
            timings={key: tuple(timing) for key, timing in self._timings.items()},
            gauges=self._gauges | now,
        )

    def _count(self, key: Key) -> None:
        counts = self._counts
        if key in counts:
            counts[key] += 1
        else:
            key = self._row(counts, key)
            counts[key] = counts.get(key, 0) + 1

    def _observe(self, family: Family, key: Key, value: int) -> None:
        timing = self._timings.get(key)
        if timing is None:
            key = self._row(self._timings, key)
            timing = self._timings.setdefault(key, [0] * (len(family.bounds) + 2))
        timing[bisect_left(family.bounds, value)] += 1
        timing[-1] += value

    def _gauge(self, key: Key, value: int) -> None:
        self._gauges[key if key in self._gauges else self._row(self._gauges, key)] = value

    def _row(self, rows: Sized, key: Key) -> Key:
        """The key of a new row, or that of the one row for all that have none of their own."""
        if len(rows) < self._rows_max:  # knockout: rows_max
            return key
        return (key[0], *(OTHER for _ in key[1:]))
