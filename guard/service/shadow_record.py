"""Whom a rule in shadow would have denied, as the decision log tells: counted, and against all who were there.

Keys and addresses without one are counted apart, or many who only read would hide that every key is denied. Whoever was
refused without proof of who he is was not there: else a stranger could make any share small.
"""

from collections import Counter
from fnmatch import fnmatchcase

import msgspec

from guard.model.names import UnixMs
from guard.wire.access_log import LogLine

SUBJECTS_MAX = 1_000_000
"""More keys and addresses than this are not told apart, and the share would be wrong: then there is no verdict."""


class Met(msgspec.Struct, gc=False):
    """A key, or an address without one, that the rule would have denied: how often, and when first and last."""

    subject: str
    count: int
    first_at: UnixMs
    last_at: UnixMs


class Subjects(msgspec.Struct):
    """All keys that were there, or all addresses without one, and those of them that the rule would have denied."""

    active: set[str] = msgspec.field(default_factory=set)
    met: dict[str, Met] = msgspec.field(default_factory=dict)

    @property
    def share(self) -> float:
        """How many of them, 0 to 1."""
        return len(self.met) / len(self.active) if self.active else 0.0


class ShadowRecord:
    """What one rule would have done to the requests of one service. `code` may be a pattern like `auth.*`."""

    def __init__(self, service: str, code: str) -> None:
        self._service = service
        self._code = code
        self._matches: dict[str, bool] = {}
        self.keys = Subjects()
        self.addresses = Subjects()
        self.requests = 0
        self.denied = 0
        self.by_route: Counter[str] = Counter()
        self.began_at: UnixMs | None = None
        self.ended_at = UnixMs(0)
        self.overflowed = False

    def add(self, line: LogLine) -> None:
        """One line more; those of other services are passed over."""
        if line.service != self._service:
            return
        self.requests += 1
        self.began_at = line.at if self.began_at is None else min(self.began_at, line.at)
        self.ended_at = max(self.ended_at, line.at)
        if line.outcome != "allow" and line.account is None:  # knockout: proved_who_was_there
            return
        subjects, subject = (self.addresses, line.ip) if line.key is None else (self.keys, line.key)
        if subject not in subjects.active:
            if len(self.keys.active) + len(self.addresses.active) >= SUBJECTS_MAX:
                self.overflowed = True
                return
            subjects.active.add(subject)
        if line.outcome == "allow" and any(self._is_meant(code) for code in line.shadow):
            self._note(subjects, subject, line)

    @property
    def share(self) -> float:
        """The share of the keys that would have been denied something, or that of the addresses if it is more."""
        return max(self.keys.share, self.addresses.share)

    def most_met(self, count: int) -> list[Met]:
        """Those that would have been denied most."""
        met = (*self.keys.met.values(), *self.addresses.met.values())
        return sorted(met, key=lambda one: (-one.count, one.first_at))[:count]

    def _note(self, subjects: Subjects, subject: str, line: LogLine) -> None:
        self.denied += 1
        self.by_route[line.route or ""] += 1
        known = subjects.met.setdefault(subject, Met(subject, 0, line.at, line.at))
        known.count += 1
        known.last_at = max(known.last_at, line.at)

    def _is_meant(self, code: str) -> bool:
        known = self._matches.get(code)
        if known is None:
            known = self._matches[code] = fnmatchcase(code, self._code)
        return known
