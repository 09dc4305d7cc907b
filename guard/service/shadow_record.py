"""Whom a rule in shadow would have denied, as the decision log tells: counted, and against all who were there."""

from collections import Counter
from fnmatch import fnmatchcase

import msgspec

from guard.model.names import UnixMs
from guard.wire.access_log import LogLine

SUBJECTS_MAX = 1_000_000
"""More keys and addresses than this are not told apart, and the share would be wrong: then there is no verdict."""


class Met(msgspec.Struct):
    """A key, or an address without one, that the rule would have denied: how often, and when first and last."""

    subject: str
    count: int
    first_at: UnixMs
    last_at: UnixMs


class ShadowRecord:
    """What one rule would have done to the requests of one service. `code` may be a pattern like `auth.*`."""

    def __init__(self, service: str, code: str) -> None:
        self._service = service
        self._code = code
        self._matches: dict[str, bool] = {}
        self._active: set[str] = set()
        self.requests = 0
        self.denied = 0
        self.met: dict[str, Met] = {}
        self.by_route: Counter[str] = Counter()
        self.began_at: UnixMs | None = None
        self.ended_at = UnixMs(0)
        self.overflowed = False

    def add(self, line: LogLine) -> None:
        """One line more; those of other services are passed over."""
        if line.service != self._service:
            return
        subject = line.key or line.ip
        if subject not in self._active:
            if len(self._active) >= SUBJECTS_MAX:
                self.overflowed = True
                return
            self._active.add(subject)
        self.requests += 1
        self.began_at = line.at if self.began_at is None else min(self.began_at, line.at)
        self.ended_at = max(self.ended_at, line.at)
        if line.outcome == "allow" and any(self._is_meant(code) for code in line.shadow):
            self._note(subject, line)

    @property
    def active(self) -> int:
        """How many keys, or addresses without one, were there at all."""
        return len(self._active)

    @property
    def share(self) -> float:
        """The share of them that would have been denied something, 0 to 1."""
        return len(self.met) / len(self._active) if self._active else 0.0

    def most_met(self, count: int) -> list[Met]:
        """Those that would have been denied most."""
        return sorted(self.met.values(), key=lambda one: (-one.count, one.first_at))[:count]

    def _note(self, subject: str, line: LogLine) -> None:
        self.denied += 1
        self.by_route[line.route or ""] += 1
        known = self.met.setdefault(subject, Met(subject, 0, line.at, line.at))
        known.count += 1
        known.last_at = max(known.last_at, line.at)

    def _is_meant(self, code: str) -> bool:
        known = self._matches.get(code)
        if known is None:
            known = self._matches[code] = fnmatchcase(code, self._code)
        return known
