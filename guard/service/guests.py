"""Which keys were verified from which addresses lately: whoever shares an address with an attacker keeps their way in.
And what was counted of each a moment ago: the thousandth message of one key from one place is no news to a signal that
counts different values.

Each process knows its own. A place is what a limit by address counts: an IPv4 address, or a network of IPv6. Bounded: a
full table forgets what was verified longest ago, and a key has a few places only, so that none crowds out the others.
Places stand in the order of their addresses: to find those of a network takes as long as it has guests.
"""

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Hashable
from operator import attrgetter, itemgetter
from typing import Final, TypeAlias

from guard.model.names import Address, KeyId, UnixMs
from guard.wire.client_address import place_of, span

LATELY_MS: Final = 3_600_000
GUESTS_MAX: Final = 50_000
PER_BAN_MAX: Final = 64
PER_KEY_MAX: Final = 64

_REFRESH_MS: Final = 60_000
_KINDS_MAX: Final = 16

_number = itemgetter(0)
_turn_seen = attrgetter("seen")

Place: TypeAlias = tuple[int, KeyId]


class Guest:
    """A key at a place: when it was verified there, at which of its addresses, and until when each kind of event of
    theirs is no news. `seen` grows with each.
    """

    __slots__ = ("address", "at", "key", "no_news", "seen", "turn")

    def __init__(self, key: KeyId, address: Address, turn: int) -> None:
        self.key = key
        self.address = address
        self.at = UnixMs(0)
        self.seen = 0
        self.turn = turn
        self.no_news: dict[Hashable, int] = {}


class Guests:
    """The last `guests_max` pairs of place and key."""

    __slots__ = ("_by_key", "_most", "_ordered", "_places", "_seen", "_turn")

    def __init__(self, guests_max: int = GUESTS_MAX) -> None:
        self._most = guests_max
        self._places: OrderedDict[Place, Guest] = OrderedDict()
        self._ordered: list[Place] = []
        self._by_key: dict[KeyId, dict[Place, None]] = {}
        self._seen = 0
        self._turn = 0

    def __len__(self) -> int:
        return len(self._places)

    def verified(self, address: Address, v6_prefix: int, key: KeyId, now: UnixMs) -> Guest:
        """This key signed a message that came from there; IPv6 clients are counted by so many bits."""
        place = (place_of(address, v6_prefix), key)
        guest = self._places.get(place)
        if guest is None:
            guest = Guest(key, address, self._turn)
            self._add(place, guest, now)
        elif now - guest.at >= _REFRESH_MS:
            self._refresh(place, guest, now)
        if guest.address != address:  # another value to signals that count different addresses
            guest.address = address
            guest.no_news.clear()
        return guest

    def is_news(self, guest: Guest, kind: Hashable, now: UnixMs) -> bool:
        """Whether an event of this kind would be counted anew."""
        return guest.turn != self._turn or guest.no_news.get(kind, 0) <= now

    def counted(self, guest: Guest, kind: Hashable, until: int) -> None:
        """One was counted: another is no news until then."""
        if guest.turn != self._turn or len(guest.no_news) >= _KINDS_MAX:  # knockout: kinds_max
            guest.no_news.clear()
            guest.turn = self._turn
        guest.no_news[kind] = until

    def all_is_news(self) -> None:
        """A signal has fired and counts anew, or a score was lifted."""
        self._turn += 1

    def of(self, name: str, now: UnixMs) -> tuple[KeyId, ...]:
        """The keys that were verified lately from an address or a network, at most 64, the latest first."""
        first, last = span(name)
        ordered = self._ordered
        inside = ordered[bisect_left(ordered, first, key=_number) : bisect_left(ordered, last + 1, key=_number)]
        found: dict[KeyId, None] = {}
        for guest in sorted(map(self._places.__getitem__, inside), key=_turn_seen, reverse=True):
            if now - guest.at < LATELY_MS:  # knockout: guest_was_here_lately
                found[guest.key] = None
                if len(found) == PER_BAN_MAX:
                    break
        return tuple(found)

    def _add(self, place: Place, guest: Guest, now: UnixMs) -> None:
        self._places[place] = guest
        insort(self._ordered, place)
        self._refresh(place, guest, now)
        of_key = self._by_key[guest.key]
        if len(of_key) > PER_KEY_MAX:  # knockout: places_of_a_key_max
            self._forget(next(iter(of_key)))
        if len(self._places) > self._most:  # knockout: guests_max
            self._forget(next(iter(self._places)))

    def _refresh(self, place: Place, guest: Guest, now: UnixMs) -> None:
        self._seen += 1
        guest.at, guest.seen = now, self._seen
        self._places.move_to_end(place)
        of_key = self._by_key.setdefault(guest.key, {})
        of_key.pop(place, None)
        of_key[place] = None

    def _forget(self, place: Place) -> None:
        key = self._places.pop(place).key
        del self._ordered[bisect_left(self._ordered, place)]
        of_key = self._by_key[key]
        del of_key[place]
        if not of_key:
            del self._by_key[key]
