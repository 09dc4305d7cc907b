"""Which keys were verified from which addresses lately: whoever shares an address with an attacker keeps their way in.
And what was counted of each a moment ago: the thousandth message of one key from one place is no news to a signal that
counts different values.

Each process knows its own. A place is what a limit by address counts: an IPv4 address, or a network of IPv6. Bounded: a
full table forgets what was verified longest ago, and a key has a few places only, so that none crowds out the others.
Places stand in the order of their addresses: to find those of a network takes as long as it has guests.
"""

from bisect import bisect_left, insort
from collections import OrderedDict
from operator import attrgetter, itemgetter
from typing import Final, TypeAlias

from guard.model.names import Address, KeyId, UnixMs
from guard.wire.client_address import place_of, span

LATELY_MS: Final = 3_600_000
GUESTS_MAX: Final = 50_000
PER_BAN_MAX: Final = 64
PER_KEY_MAX: Final = 64

_REFRESH_MS: Final = 60_000

_number = itemgetter(0)
_turn_seen = attrgetter("seen")

Place: TypeAlias = tuple[int, KeyId]


class Guest:
    """A key at a place: when it was verified there, at which of its addresses, and until when another event of a kind
    is no news. `seen` grows with each refreshing.
    """

    __slots__ = ("address", "at", "key", "kind", "seen", "turn", "until", "v6_prefix")

    def __init__(self, key: KeyId, address: Address, v6_prefix: int) -> None:
        self.key = key
        self.address = address
        self.v6_prefix = v6_prefix
        self.at = UnixMs(0)
        self.seen = 0
        self.turn = 0
        self.kind: object = None
        self.until = 0


class Guests:
    """The last `guests_max` pairs of place and key."""

    __slots__ = ("_by_key", "_latest", "_most", "_ordered", "_places", "_seen", "_turn")

    def __init__(self, guests_max: int = GUESTS_MAX) -> None:
        self._most = guests_max
        self._places: OrderedDict[Place, Guest] = OrderedDict()
        self._ordered: list[Place] = []
        self._latest: dict[KeyId, Guest] = {}
        self._by_key: dict[KeyId, dict[Place, None]] = {}
        self._seen = 0
        self._turn = 0

    def __len__(self) -> int:
        return len(self._places)

    def verified(  # noqa: PLR0917  # once a message: keywords would cost as much as the looking
        self, address: Address, v6_prefix: int, key: KeyId, now: UnixMs, kind: object = None, again_ms: int = 0
    ) -> bool:
        """This key signed a message that came from there; IPv6 clients are counted by so many bits.

        Whether an event of this kind is news: then the next of this key at this place is none for `again_ms`, unless
        one of another kind that is none came between them.
        """
        guest = self._latest.get(key)
        if guest is None or guest.address != address or guest.v6_prefix != v6_prefix or now - guest.at >= _REFRESH_MS:
            guest = self._latest[key] = self._at(address, v6_prefix, key, now)
        if guest.kind is kind and now < guest.until and guest.turn == self._turn:
            return False
        if again_ms:
            guest.kind, guest.until, guest.turn = kind, now + again_ms, self._turn
        return True

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

    def _at(self, address: Address, v6_prefix: int, key: KeyId, now: UnixMs) -> Guest:
        place = (place_of(address, v6_prefix), key)
        guest = self._places.get(place)
        if guest is None:
            guest = Guest(key, address, v6_prefix)
            self._add(place, guest, now)
        elif now - guest.at >= _REFRESH_MS:
            self._refresh(place, guest, now)
        guest.v6_prefix = v6_prefix
        if guest.address != address:  # another value to signals that count different addresses
            guest.address, guest.until = address, 0
        return guest

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
        guest = self._places.pop(place)
        key = guest.key
        del self._ordered[bisect_left(self._ordered, place)]
        of_key = self._by_key[key]
        del of_key[place]
        if not of_key:
            del self._by_key[key]
        if self._latest.get(key) is guest:  # knockout: what_is_forgotten_is_not_the_latest
            del self._latest[key]
