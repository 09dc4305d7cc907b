"""What changes between two verdicts on each request of a log: counted by reason, by key and by meter. Bounded."""

from collections import Counter

import msgspec

from guard.model.names import UnixMs
from guard.model.policy import Slots
from guard.service.backtest import Verdict
from guard.wire.access_log import LogLine

ALLOW = "allow"
SUBJECTS_MAX = 100_000
"""So many keys and addresses are told apart; what is denied to others is counted together."""


class Affected(msgspec.Struct):
    """A key, or an address without one, that would be denied what it was allowed: how often, when first, and why."""

    subject: str
    count: int
    first_at: UnixMs
    reasons: Counter[str]


class Comparison:
    """Counts one request after another. `before` is what was said, or what other policies would have said."""

    def __init__(self) -> None:
        self.lines = 0
        self.before: Counter[str] = Counter()
        self.after: Counter[str] = Counter()
        self.shadow: Counter[str] = Counter()
        self.newly_denied = 0
        self.newly_allowed = 0
        self.affected: dict[str, Affected] = {}
        self.others_denied = 0
        self.began_at: UnixMs | None = None
        self.ended_at = UnixMs(0)
        self._fill: dict[str, list[int]] = {}

    def add(self, line: LogLine, before: str, after: Verdict) -> None:
        """One request more."""
        self.lines += 1
        self.began_at = line.at if self.began_at is None else min(self.began_at, line.at)
        self.ended_at = max(self.ended_at, line.at)
        self.before[before] += 1
        self.after[after.code] += 1
        for code in after.shadow:
            self.shadow[code] += 1
        if after.code != ALLOW and before == ALLOW:
            self.newly_denied += 1
            self._note(line, after.code)
        elif after.code == ALLOW and before != ALLOW:
            self.newly_allowed += 1
        for reading in after.readings:
            capacity = reading.limit.meter.capacity
            if not isinstance(reading.limit.meter, Slots):
                self._fill_of(reading.limit.name)[100 * (capacity - reading.remaining) // capacity] += 1

    @property
    def lasted_ms(self) -> int:
        """The time that the log spans."""
        return 0 if self.began_at is None else self.ended_at - self.began_at

    @property
    def newly_denied_share(self) -> float:
        """Of all requests."""
        return self.newly_denied / self.lines if self.lines else 0.0

    def most_affected(self, count: int) -> list[Affected]:
        """The subjects that would be denied most."""
        return sorted(self.affected.values(), key=lambda one: (-one.count, one.first_at))[:count]

    def fill_p95(self) -> dict[str, int]:
        """How full each limit's meters were used, in percent, at the 95th of 100 requests that it counted."""
        return {name: _percentile(counts, 95) for name, counts in sorted(self._fill.items())}

    def _note(self, line: LogLine, code: str) -> None:
        subject = line.key or line.ip
        known = self.affected.get(subject)
        if known is None:
            if len(self.affected) >= SUBJECTS_MAX:
                self.others_denied += 1
                return
            known = self.affected[subject] = Affected(subject, 0, line.at, Counter())
        known.count += 1
        known.reasons[code] += 1

    def _fill_of(self, name: str) -> list[int]:
        found = self._fill.get(name)
        if found is None:
            found = self._fill[name] = [0] * 101
        return found


def _percentile(counts: list[int], percent: int) -> int:
    wanted, seen = sum(counts) * percent / 100, 0
    for value, count in enumerate(counts):
        seen += count
        if seen >= wanted:
            return value
    return 100
