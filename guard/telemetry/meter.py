"""What a process counts: plain integers in plain dictionaries, bumped in the one thread that serves.

Rows are bounded: once `rows_max` of a kind are there, what would need one more is counted under the label `(other)`,
so that no client and no policy can make the process grow.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping
from typing import Final

from guard.telemetry import families
from guard.telemetry.families import Family
from guard.telemetry.tally import Key, Tally

OTHER: Final = "(other)"

_DECISIONS = families.DECISIONS.name
_ADDED = families.ADDED.bounds
_UPSTREAM = families.UPSTREAM.bounds
_REPLAYS: Key = (families.REPLAYS.name,)
_FAILURES: Key = (families.FAILURES.name,)
_RESTARTS: Key = (families.RESTARTS.name,)
_REPLAYED = "auth.replayed"
_ENFORCE = "enforce"


class _Decided:
    """One row of decisions, and the timings that go with it, so that a message finds all of them in one look."""

    __slots__ = ("added", "count", "upstream")

    def __init__(self, added: list[int], upstream: list[int]) -> None:
        self.count = 0
        self.added = added
        self.upstream = upstream


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
        self._decided: dict[Key, _Decided] = {}
        self._counts: dict[Key, int] = {_FAILURES: 0}
        self._timings: dict[Key, list[int]] = {}
        self._gauges: dict[Key, int] = {}

    def concluded(  # noqa: PLR0917  # once a message: keywords would cost as much as the counting
        self, service: str, route: str, decision: str, reason: str, guard_us: int, upstream_us: int | None
    ) -> None:
        """A message was judged, answered, and took so long. See `decision` for the rest."""
        decided = self._decided.get((service, route, decision, reason, _ENFORCE))
        if decided is None:
            decided = self._first((service, route, decision, reason, _ENFORCE))
        decided.count += 1
        added = decided.added
        added[bisect_left(_ADDED, guard_us)] += 1
        added[-1] += guard_us
        if upstream_us is not None:
            upstream = decided.upstream
            upstream[bisect_left(_UPSTREAM, upstream_us)] += 1
            upstream[-1] += upstream_us

    def decision(self, service: str, route: str, decision: str, reason: str, mode: str) -> None:
        """A message was judged: `reason` is empty for what went well, service and route where none was found."""
        key = (service, route, decision, reason, mode)
        (self._decided.get(key) or self._first(key)).count += 1

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

    def policy_reloaded(self, outcome: str | None, *, good: bool) -> None:
        """Policies were read again, or for the first time (None), and are in force or not."""
        if outcome is not None:
            self._count((families.RELOADS.name, outcome))
        self._gauge((families.RELOADED.name,), int(good))

    def put_back(self, service: str, rule: str) -> None:
        """A rule denied too many after its promotion, and is in shadow again."""
        self._count((families.PUT_BACK.name, service, rule))

    def signal(self, service: str, signal: str) -> None:
        """A signal of a policy fired."""
        self._count((families.SIGNALS.name, service, signal))

    def ban(self, action: str, mode: str) -> None:
        """A score had an effect."""
        self._count((families.BANS.name, action, mode))

    def ban_capped(self) -> None:
        """A ban was only recorded, because too many are banned."""
        self._count((families.BANS_CAPPED.name,))

    def sightings_lost(self, count: int) -> None:
        """So many events were counted by nobody."""
        self._count((families.SIGHTINGS_LOST.name,), count)

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
        decisions = {(_DECISIONS, *key): decided.count for key, decided in self._decided.items()}
        replays = sum(count for key, count in decisions.items() if key[-2:] == (_REPLAYED, _ENFORCE))
        now: dict[Key, int] = {(families.IN_FLIGHT.name,): self._in_flight()}
        version = self._policy()
        if version:
            now[families.POLICY.name, version] = 1
        return Tally(
            counts={**self._counts, **decisions, _REPLAYS: replays},
            timings={key: tuple(timing) for key, timing in self._timings.items() if any(timing)},
            gauges=self._gauges | now,
        )

    def _first(self, key: Key) -> _Decided:
        """The row of a decision that has none yet."""
        service, _, decision, reason, mode = key
        if len(self._decided) >= self._rows_max:  # knockout: decisions_max
            service, key = OTHER, (OTHER, OTHER, decision, reason, mode)  # reasons are as many as the policies name
        if key not in self._decided:
            added = self._timing(families.ADDED, (families.ADDED.name, decision))
            upstream = self._timing(families.UPSTREAM, (families.UPSTREAM.name, service))
            self._decided[key] = _Decided(added, upstream)
        return self._decided[key]

    def _count(self, key: Key, more: int = 1) -> None:
        key = self._row(self._counts, key)
        self._counts[key] = self._counts.get(key, 0) + more

    def _observe(self, family: Family, key: Key, value: int) -> None:
        timing = self._timing(family, key)
        timing[bisect_left(family.bounds, value)] += 1
        timing[-1] += value

    def _timing(self, family: Family, key: Key) -> list[int]:
        timing = self._timings.get(key)
        if timing is None:
            row = self._row(self._timings, key)
            timing = self._timings.setdefault(row, [0] * (len(family.bounds) + 2))
        return timing

    def _gauge(self, key: Key, value: int) -> None:
        self._gauges[self._row(self._gauges, key)] = value

    def _row(self, rows: Collection[Key], key: Key) -> Key:
        """The key itself, or that of the one row for all that have none of their own."""
        if key in rows or len(rows) < self._rows_max:  # knockout: rows_max
            return key
        return (key[0], *(OTHER for _ in key[1:]))
