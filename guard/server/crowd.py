"""How many clients are here, in all and of each address. IPv6 clients are counted by their network of 64 bits."""

from collections import Counter
from collections.abc import Hashable

from guard.wire.client_address import canonical, subject

_V6_PREFIX = 64


class Crowd:
    """Counts whoever enters until he leaves. `per_address_max` 0 means that addresses are not counted."""

    def __init__(self, clients_max: int, per_address_max: int) -> None:
        self._clients_max = clients_max
        self._per_address_max = per_address_max
        self._inside: dict[Hashable, str] = {}
        self._of: Counter[str] = Counter()

    def enter(self, who: Hashable, host: str) -> bool:
        """One more. False if it is one too many; it is counted nevertheless, until it leaves."""
        address = canonical(host) if self._per_address_max else None
        group = "" if address is None else subject(address, _V6_PREFIX)
        self._inside[who] = group
        self._of[group] += 1
        crowded = bool(group) and self._of[group] > self._per_address_max
        return not crowded and len(self._inside) <= self._clients_max

    @property
    def inside(self) -> int:
        """How many are here."""
        return len(self._inside)

    def leave(self, who: Hashable) -> None:
        """One less, if it was here."""
        group = self._inside.pop(who, None)
        if group is None:
            return
        self._of[group] -= 1
        if not self._of[group]:
            del self._of[group]
