"""The arithmetic of leased slots, as pure functions. It remembers nothing: a store keeps who holds one till when.

A lease ends when its holder says so. If the holder cannot any more, it ends by itself: at its end, to the millisecond.
"""

from collections.abc import Mapping
from typing import Final

from guard.model.names import UnixMs
from guard.model.policy import Slots

TRY_AGAIN_MS: Final = 1_000
"""The wait that is advised where none is free. Nobody knows when an exchange ends. Most end long before their leases,
and a client that was told the end of the first one would wait ten seconds for what is free in ten milliseconds.
"""


def live(leases: Mapping[str, UnixMs], now: UnixMs) -> dict[str, UnixMs]:
    """The leases that are not over at `now`."""
    return {holder: end for holder, end in leases.items() if now < end}


def free(leases: Mapping[str, UnixMs], slots: Slots) -> int:
    """How many more leases there can be. Never below 0, though there may be more than a lowered count allows."""
    return max(slots.count - len(leases), 0)


def wait_ms(leases: Mapping[str, UnixMs], holder: str, slots: Slots, spare: int = 0) -> int:
    """0 if there is a slot for `holder` and `spare` more, or it has one; else when to try again."""
    if holder in leases:  # knockout: holder_has_its_slot
        return 0
    return 0 if free(leases, slots) > spare else TRY_AGAIN_MS
