"""Which keys were verified from which addresses lately: whoever shares an address with an attacker keeps their way in.

Each process knows its own. Bounded: a full table forgets what was verified longest ago.
"""

from typing import Final

from guard.model.names import Address, KeyId, UnixMs
from guard.wire.client_address import in_networks

LATELY_MS: Final = 3_600_000
GUESTS_MAX: Final = 50_000
PER_BAN_MAX: Final = 64

_REFRESH_MS: Final = 60_000


class Guests:
    """The last `guests_max` pairs of address and key."""

    __slots__ = ("_most", "_seen")

    def __init__(self, guests_max: int = GUESTS_MAX) -> None:
        self._most = guests_max
        self._seen: dict[tuple[Address, KeyId], UnixMs] = {}

    def __len__(self) -> int:
        return len(self._seen)

    def verified(self, address: Address, key: KeyId, now: UnixMs) -> None:
        """This key signed a message that came from there."""
        pair = (address, key)
        if now - self._seen.get(pair, 0) < _REFRESH_MS:
            return
        self._seen.pop(pair, None)
        self._seen[pair] = now
        if len(self._seen) > self._most:  # knockout: guests_max
            del self._seen[next(iter(self._seen))]

    def of(self, name: str, now: UnixMs) -> tuple[KeyId, ...]:
        """The keys that were verified lately from an address or a network, at most 64, the latest first."""
        networks = (name,)
        found: dict[KeyId, None] = {}
        for (address, key), at in reversed(self._seen.items()):
            if now - at < LATELY_MS and in_networks(address, networks):  # knockout: guest_was_here_lately
                found[key] = None
                if len(found) == PER_BAN_MAX:
                    break
        return tuple(found)
