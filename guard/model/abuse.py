"""Abuse as values: what a policy watches for (signals), what follows (the ladder), and what is counted meanwhile.

A *signal* is an event that happened often enough. It raises the *score* of a subject, which decays; a score above a
rung of the ladder has an effect on the subject (`model/bans.py`). What is counted and how is `core/scores.py`.
"""

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import Final

import msgspec

from guard.model.names import RequestId
from guard.model.rules import Mode, Rule


class SubjectKind(StrEnum):
    """Whose score it is. KEY and ACCOUNT only where the message was proved to be theirs."""

    IP = "ip"
    KEY = "key"
    ACCOUNT = "account"


class Action(StrEnum):
    """What is done to a subject, from the mildest on: its requests wait; cost more; only reads and cancels pass; none.

    A ban of an address stops everything that comes from there.
    """

    SLOW = "slow"
    THROTTLE = "throttle"
    QUARANTINE = "quarantine"
    BAN = "ban"

    @property
    def severity(self) -> int:
        """0 for the mildest."""
        return _SEVERITIES[self]


_SEVERITIES: Final[dict[Action, int]] = {action: severity for severity, action in enumerate(Action)}


class Distinct(StrEnum):
    """Of what a signal counts different values instead of events. NETWORK is the address's /24 or /48."""

    KEY = "key"
    IP = "ip"
    NETWORK = "network"
    ROUTE = "route"


class Ratio(msgspec.Struct, frozen=True, gc=False):
    """More than `events` for every `counterparts`."""

    events: int
    counterparts: int


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """`at_least` events (or different values of `distinct`) within `over_ms` raise the score of `per` by `points`.

    `routes` None: all. Only answers that took longer than `slower_than_ms` count, where that is not 0. With a `ratio`
    the events must be so many more than their counterparts, which are the events of a second Signal of the same name:
    `is_counterpart`, it raises nothing itself. `field` None: all; else only answers that tell a number in that field
    count, and there are as many counterparts as they tell.
    """

    name: str
    rule: Rule
    per: SubjectKind
    points: int
    over_ms: int = 0
    at_least: int = 1
    distinct: Distinct | None = None
    routes: frozenset[str] | None = None
    slower_than_ms: int = 0
    ratio: Ratio | None = None
    is_counterpart: bool = False
    field: bytes | None = None


class Rung(msgspec.Struct, frozen=True, kw_only=True):
    """From a score of `at` on. `terms_ms` is how long the first, second, … time; the last one for all that follow.

    `delay_ms` is that of SLOW, `percent` what THROTTLE leaves of every rate. One strike is forgiven for each
    `forgive_ms` that pass without another. SLOW has no terms: it ends when the score is below `at` again.
    """

    at: int
    action: Action
    delay_ms: int = 0
    percent: int = 100
    terms_ms: tuple[int, ...] = ()
    forgive_ms: int = 0


class AbusePolicy(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What one service watches for. `by_code` holds the signals of each event that has any, by its code.

    `by_status` are those of answers of the backend, by the first digit of their status. `ladder` is in ascending order.
    `exempt_ips` are networks. `tries` says that some signals are in shadow and others are not. `signals` are
    all there are, those that are off too, each with the codes that it is on; counterparts stand before their signal.
    `fields` are those of answers that some signal counts by. `heeds_refusals`: some signal counts to a key what is
    refused to it before the store is asked whether it came before. Compared by identity.
    """

    rule: Rule
    half_life_ms: int
    by_code: Mapping[str, tuple[Signal, ...]]
    by_status: tuple[tuple[Signal, ...], ...]
    ladder: tuple[Rung, ...]
    exempt_ips: tuple[str, ...] = ()
    exempt_keys: frozenset[str] = frozenset()
    max_banned_percent: int = 5
    tries: bool = False
    signals: tuple[tuple[Signal, frozenset[str]], ...] = ()
    fields: frozenset[bytes] = frozenset()
    heeds_refusals: bool = False


class ScoreKind(IntEnum):
    """Which score: REAL is that of enforced signals alone; TRIAL that of shadow ones too. Each has its own effects."""

    REAL = 0
    TRIAL = 1

    @property
    def mode(self) -> Mode:
        """How its effects are meant."""
        return Mode.ENFORCE if self is ScoreKind.REAL else Mode.SHADOW


class Sighting(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event that a signal counts: whose it is, and which request it was.

    `names` are the subject's, the narrowest first: an address, then wider networks around it, for a table that is full.
    `value` is what DISTINCT tells apart; `amount` is how many counterparts it stands for.
    """

    service: str
    policy: AbusePolicy
    signal: Signal
    score: ScoreKind
    names: tuple[str, ...]
    request_id: RequestId
    value: str = ""
    amount: int = 1


class Evidence(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Why a score is what it is: how often each signal raised it, and the last requests that did."""

    signals: dict[str, int]
    requests: tuple[RequestId, ...]


class Raised(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A signal fired: the score of `name`, in whole points, after it."""

    sighting: Sighting
    name: str
    points: int
    evidence: Evidence
