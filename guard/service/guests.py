"""Which keys were verified from which addresses lately: whoever shares an address with an attacker keeps their way in.
And what was counted of each a moment ago: the thousandth message of one key from one place is no news to a signal that
counts different values.

Each process knows its own. Bounded: a full table forgets what was verified longest ago.
"""

from collections.abc import Hashable
from typing import Final

from guard.model.names import Address, KeyId, UnixMs
from guard.wire.client_address import in_networks

LATELY_MS: Final = 3_600_000
GUESTS_MAX: Final = 50_000
PER_BAN_MAX: Final = 64

_REFRESH_MS: Final = 60_000
_KINDS_MAX: Final = 16


class Guest:
    """A key at an address, when it was verified there, and until when each kind of event of theirs is no news."""

    __slots__ = ("at", "no_news", "turn")

    def __init__(self, at: UnixMs, turn: int) -> None:
        self.at = at
        self.turn = turn
        self.no_news: dict[Hashable, int] = {}


class Guests:
    """The last `guests_max` pairs of address and key."""

    __slots__ = ("_most", "_seen", "_turn")

    def __init__(self, guests_max: int = GUESTS_MAX) -> None:
        self._most = guests_max
        self._seen: dict[tuple[Address, KeyId], Guest] = {}
        self._turn = 0

    def __len__(self) -> int:
        return len(self._seen)

    def verified(self, address: Address, key: KeyId, now: UnixMs) -> Guest:
        """This key signed a message that came from there."""
        pair = (address, key)
        guest = self._seen.get(pair)
        if guest is not None and now - guest.at < _REFRESH_MS:
            return guest
        self._seen.pop(pair, None)
        guest = self._seen[pair] = Guest(now, self._turn)
        if len(self._seen) > self._most:  # knockout: guests_max
            del self._seen[next(iter(self._seen))]
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
        networks = (name,)
        found: dict[KeyId, None] = {}
        for (address, key), guest in reversed(self._seen.items()):
            if now - guest.at < LATELY_MS and in_networks(address, networks):  # knockout: guest_was_here_lately
                found[key] = None
                if len(found) == PER_BAN_MAX:
                    break
        return tuple(found)
