"""Which different values a signal has counted a moment ago: a key's thousandth message from one network is no news.

A value that comes again within a 64th of its signal's time is not counted again, so it is remembered for that much less
at most. Each process knows its own; a full table forgets all, and then everything counts as it would without it.
"""

from typing import Final, TypeAlias

from guard.model.abuse import Distinct, Signal, SubjectKind
from guard.model.names import UnixMs
from guard.service.sightings import Event

TICKS: Final = 64
REPEATS_MAX: Final = 50_000

_Seen: TypeAlias = tuple[str, str, str, str]


class Repeats:
    """At most `repeats_max` values of subjects, each with the tick in which it was counted last."""

    __slots__ = ("_most", "_seen")

    def __init__(self, repeats_max: int = REPEATS_MAX) -> None:
        self._most = repeats_max
        self._seen: dict[_Seen, int] = {}

    def again(self, signal: Signal, event: Event, now: UnixMs) -> bool:
        """Whether this signal has counted this value of this subject in this tick; from now on it has."""
        if signal.distinct is None or signal.at_least == 1:
            return False
        holder = event.holder
        who = event.address if signal.per is SubjectKind.IP else "" if holder is None else holder.id
        seen = (event.service.name, signal.name, who, _raw(signal.distinct, event))
        tick = now * TICKS // signal.over_ms
        if self._seen.get(seen) == tick:  # knockout: repeat_is_no_news
            return True
        if len(self._seen) >= self._most:  # knockout: repeats_max
            self._seen.clear()
        self._seen[seen] = tick
        return False

    def forget(self) -> None:
        """A signal has fired and counts anew, or a score was lifted: everything is news again."""
        self._seen.clear()


def _raw(distinct: Distinct, event: Event) -> str:
    """What the value is worked out from."""
    if distinct is Distinct.KEY:
        return event.claimed
    return event.route if distinct is Distinct.ROUTE else event.address
