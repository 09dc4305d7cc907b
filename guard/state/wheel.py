"""What is to be looked at again once a time has passed: a time wheel of about one second a slot.

Adding and taking cost a constant on average, however far apart the times are: only the slots in use are kept in order,
and a slot is handed out item by item, so that no single caller pays for a second's worth of others.
"""

import heapq
from typing import Generic, TypeVar

Item = TypeVar("Item")

_SLOT_BITS = 10


class Wheel(Generic[Item]):
    """Items and times in milliseconds. An item comes out after its time, at most about a second late."""

    __slots__ = ("_due", "_order", "_slots", "next_at")

    def __init__(self) -> None:
        self._slots: dict[int, list[Item]] = {}
        self._order: list[int] = []
        self._due: list[Item] = []
        self.next_at: float = float("inf")

    def add(self, at: int, item: Item) -> None:
        """The item is to come out once `at` has passed."""
        slot = at >> _SLOT_BITS
        items = self._slots.get(slot)
        if items is not None:
            items.append(item)
            return
        self._slots[slot] = [item]
        heapq.heappush(self._order, slot)
        self._look_ahead()

    def take(self, now: int) -> Item | None:
        """One item whose time has passed, or None. `next_at` says cheaply whether there can be one: not before it."""
        if not self._due:
            if now < self.next_at:
                return None
            self._due = self._slots.pop(heapq.heappop(self._order))
        item = self._due.pop()
        self._look_ahead()
        return item

    def __len__(self) -> int:
        return len(self._due) + sum(map(len, self._slots.values()))

    def _look_ahead(self) -> None:
        if self._due:
            self.next_at = 0
        elif self._order:
            self.next_at = (self._order[0] + 1) << _SLOT_BITS
        else:
            self.next_at = float("inf")
