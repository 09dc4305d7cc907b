"""Scores in the memory of one process.

Why it is bounded: an address that is new to a full table is counted with its neighbours, as the next wider network that
its sighting names, and the widest are so few that there is always room for them; so nobody becomes untracked by filling
the table. Keys and accounts are counted only where they were proved, so there are no more of them than there are keys.
What has decayed is forgotten, two entries for each that is touched.
"""

from collections import OrderedDict, deque

import msgspec

from guard.model.abuse import Evidence, Raised, Sighting, SubjectKind
from guard.model.names import RequestId, UnixMs
from guard.state.protocols import ScoreStore
from guard.state.scoring import FORGET_HALF_LIVES, LEVEL_MAX, UNIT, Count, Proportion, Values, decayed

_REQUESTS_KEPT = 8
_WIDER_SHARE = 4

_Key = tuple[str, int, SubjectKind, str]


class _Entry(msgspec.Struct):
    """What is known of one subject."""

    at: int
    begun: int
    forget_at: int
    level: int = 0
    counts: dict[str, Count | Proportion | Values] = {}
    signals: dict[str, int] = {}
    requests: deque[RequestId] = msgspec.field(default_factory=lambda: deque(maxlen=_REQUESTS_KEPT))


class MemoryScores(ScoreStore):
    """The scores of one process. `addresses_max` bounds the table of the narrowest names, a quarter of it the next."""

    __slots__ = ("_addresses_max", "_tables")

    def __init__(self, *, addresses_max: int = 100_000) -> None:
        self._addresses_max = addresses_max
        self._tables: list[OrderedDict[_Key, _Entry]] = []

    @property
    def tracked(self) -> int:
        """How many subjects are known."""
        return sum(map(len, self._tables))

    async def score(self, sightings: tuple[Sighting, ...], now: UnixMs) -> tuple[Raised, ...]:
        """See `ScoreStore.score`."""
        return self.score_at_once(sightings, now)

    def score_at_once(self, sightings: tuple[Sighting, ...], now: UnixMs) -> tuple[Raised, ...]:
        """See `ScoreStore.score`."""
        found = [self._seen(sighting, now) for sighting in sightings]
        return tuple([raised for raised in found if raised is not None])

    async def forget(self, kind: SubjectKind, name: str, before: UnixMs) -> bool:
        """See `ScoreStore.forget`."""
        for table in self._tables:
            for key in [key for key, entry in table.items() if key[2:] == (kind, name) and entry.begun <= before]:
                del table[key]
        return True

    def _seen(self, sighting: Sighting, now: UnixMs) -> Raised | None:
        signal = sighting.signal
        name, entry = self._entry(sighting, now)
        if signal.at_least > 1 and not _enough(entry, sighting, now):
            return None
        level, entry.at = decayed(entry.level, entry.at, now, sighting.policy.half_life_ms)
        entry.level = min(LEVEL_MAX, level + signal.points * UNIT)
        entry.signals[signal.name] = entry.signals.get(signal.name, 0) + 1
        entry.requests.append(sighting.request_id)
        evidence = Evidence(signals=dict(entry.signals), requests=tuple(entry.requests))
        return Raised(sighting=sighting, name=name, points=entry.level // UNIT, evidence=evidence)

    def _entry(self, sighting: Sighting, now: UnixMs) -> tuple[str, _Entry]:
        """The subject's own entry, or that of the narrowest network around it that has one or gets one."""
        kind, last = sighting.signal.per, len(sighting.names) - 1
        forget_at = now + max(sighting.signal.over_ms, FORGET_HALF_LIVES * sighting.policy.half_life_ms)
        for width, name in enumerate(sighting.names):
            key = (sighting.service, int(sighting.score), kind, name)
            table = self._table(width)
            entry = table.get(key)
            if entry is not None and now < entry.forget_at:
                entry.forget_at = max(entry.forget_at, forget_at)
                table.move_to_end(key)  # what was touched last is looked at last
                return name, entry
            table.pop(key, None)
            _sweep(table, now)
            if width == last or len(table) < self._addresses_max // _WIDER_SHARE**width:  # knockout: scores_max
                entry = table[key] = _Entry(at=now, begun=now, forget_at=forget_at)
                return name, entry
        raise ValueError("a sighting names nobody")

    def _table(self, width: int) -> OrderedDict[_Key, _Entry]:
        while len(self._tables) <= width:
            self._tables.append(OrderedDict())
        return self._tables[width]


def _enough(entry: _Entry, sighting: Sighting, now: UnixMs) -> bool:
    signal = sighting.signal
    count = entry.counts.get(signal.name)
    if signal.ratio is not None:
        if not isinstance(count, Proportion):
            count = entry.counts[signal.name] = Proportion()
        if signal.is_counterpart:
            count.counter(sighting.amount, now, signal.over_ms)
            return False
        return count.add(now, signal.over_ms, signal.at_least, signal.ratio)
    if signal.distinct is None:
        if not isinstance(count, Count):
            count = entry.counts[signal.name] = Count()
        return count.add(now, signal.over_ms, signal.at_least)
    if not isinstance(count, Values):
        count = entry.counts[signal.name] = Values()
    return count.add(sighting.value, now, signal.over_ms, signal.at_least)


def _sweep(table: OrderedDict[_Key, _Entry], now: UnixMs) -> None:
    """Forget of the two that were not touched for longest what has decayed."""
    for _ in range(2):
        oldest = next(iter(table), None)
        if oldest is None or now < table[oldest].forget_at:
            return
        del table[oldest]
