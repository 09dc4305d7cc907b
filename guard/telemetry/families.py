"""The one table of metrics: name, kind, labels and meaning of each family that `/metrics` shows.

No label has unbounded values: never a key id, an account or an address.
"""

from enum import StrEnum
from typing import Final

import msgspec

MS: Final = 1_000
US: Final = 1_000_000


class Kind(StrEnum):
    """A counter only grows; a histogram counts durations by their bounds; a gauge is how it is now."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"


class Join(StrEnum):
    """What several processes make of one gauge: their sum, the least, or the one farthest from 0."""

    SUM = "sum"
    LEAST = "least"
    FARTHEST = "farthest"


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """One row. Values are integers, `per_unit` of them one of the unit in the name; `bounds` are a histogram's."""

    name: str
    kind: Kind
    text: str
    labels: tuple[str, ...] = ()
    per_unit: int = 1
    bounds: tuple[int, ...] = ()
    join: Join = Join.SUM


def _counter(name: str, text: str, *labels: str) -> Family:
    return Family(name=name, kind=Kind.COUNTER, text=text, labels=labels)


def _gauge(name: str, text: str, *labels: str, join: Join = Join.SUM, per_unit: int = 1) -> Family:
    return Family(name=name, kind=Kind.GAUGE, text=text, labels=labels, join=join, per_unit=per_unit)


def _histogram(name: str, text: str, *labels: str, per_unit: int, bounds: tuple[int, ...]) -> Family:
    return Family(name=name, kind=Kind.HISTOGRAM, text=text, labels=labels, per_unit=per_unit, bounds=bounds)


_ADDED_US = (50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
_STORE_US = (*_ADDED_US, 100_000, 250_000, 1_000_000)
_UPSTREAM_US = tuple(1_000 * ms for ms in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000))
_REVOCATION_MS = (10, 50, 100, 200, 300, 500, 700, 900, 1_000, 2_000, 5_000)

DECISIONS: Final = _counter(
    "guard_decisions_total",
    "Decisions on messages; mode=shadow counts denials of shadow rules, which let pass",
    *("service", "route", "decision", "reason", "mode"),
)
REPLAYS: Final = _counter("guard_replay_rejected_total", "Messages refused because they had been accepted before")
FAILURES: Final = _counter("guard_failures_total", "Messages denied for a fault of guard itself; must stay 0")
FALLBACKS: Final = _counter(
    "guard_store_fallback_total",
    "Answers that policy gave, and events that were counted alone, in place of a store that did not answer",
    "function",
)
RESTARTS: Final = _counter("guard_worker_restarts_total", "Workers started in the place of one that had ended")
SIGNALS: Final = _counter("guard_abuse_signals_total", "Signals that fired, by service and name", "service", "signal")
BANS: Final = _counter(
    "guard_bans_total", "Effects of scores: slow, throttle, quarantine or ban, enforced or in shadow", "action", "mode"
)
BANS_CAPPED: Final = _counter(
    "guard_bans_capped_total", "Bans that were only recorded because too many are banned; must stay 0"
)
SIGHTINGS_LOST: Final = _counter(
    "guard_abuse_lost_total", "Events that no score counted because shared state did not answer in time"
)
ADDED: Final = _histogram(
    "guard_added_latency_seconds",
    "What guard added to a message, waiting for its client's body included",
    *("decision",),
    per_unit=US,
    bounds=_ADDED_US,
)
UPSTREAM: Final = _histogram(
    "guard_upstream_latency_seconds",
    "How long a backend took to answer, to the end of its answer",
    *("service",),
    per_unit=US,
    bounds=_UPSTREAM_US,
)
STORE_OPS: Final = _histogram(
    "guard_store_op_seconds",
    "How long a question to a shared store took",
    *("op", "outcome"),
    per_unit=US,
    bounds=_STORE_US,
)
REVOCATIONS: Final = _histogram(
    "guard_revocation_delay_seconds",
    "From the change of a key in the database to its being in force here",
    per_unit=MS,
    bounds=_REVOCATION_MS,
)
STORE_UP: Final = _gauge(
    "guard_store_up", "Whether a store answers: 0 if it does not for any worker", "store", join=Join.LEAST
)
CLOCK_SKEW: Final = _gauge(
    "guard_clock_skew_seconds",
    "How far this node's clock is ahead of another",
    *("against",),
    join=Join.FARTHEST,
    per_unit=MS,
)
POLICY: Final = _gauge(
    "guard_policy_info", "1 for each version of the policies that is in force", "version", join=Join.LEAST
)
RELOADED: Final = _gauge(
    "guard_policy_last_reload_successful",
    "0 if the last reload was refused: then the policy files are not what is in force",
    join=Join.LEAST,
)
RELOADS: Final = _counter("guard_policy_reload_total", "Reloads of the policies", "outcome")
PUT_BACK: Final = _counter(
    "guard_promotions_put_back_total",
    "Rules put back to shadow, for denying too many after a promotion",
    *("service", "rule"),
)
IN_FLIGHT: Final = _gauge("guard_inflight_requests", "Requests under way")
WORKERS: Final = _gauge("guard_workers", "Worker processes by state", "state")

FAMILIES: Final = (
    *(DECISIONS, REPLAYS, FAILURES, FALLBACKS, RESTARTS, RELOADS, PUT_BACK),
    *(SIGNALS, BANS, BANS_CAPPED, SIGHTINGS_LOST),
    *(ADDED, UPSTREAM, STORE_OPS, REVOCATIONS),
    *(STORE_UP, CLOCK_SKEW, POLICY, RELOADED, IN_FLIGHT, WORKERS),
)
BY_NAME: Final = {family.name: family for family in FAMILIES}
