"""When one user asks next. Late requests are caught up with, so what is offered does not shrink when answers are slow;
what could not be caught up with is owed, and a run that owes much has measured its own load generator.
"""


class Pace:
    """A request every `every_ns`, from `now_ns` on. `begun` counts those that were asked."""

    def __init__(self, every_ns: int, now_ns: int) -> None:
        self._every_ns = every_ns
        self._due_ns = now_ns
        self._missed = 0
        self._rests = False
        self.begun = 0

    def wait_ns(self, now_ns: int) -> int:
        """One was asked: how long until the next one is due. 0 if it is late already."""
        self.begun += 1
        self._rests = False
        self._due_ns += self._every_ns
        return max(0, self._due_ns - now_ns)

    def rest(self, now_ns: int) -> int:
        """Nothing was asked and nothing need be: the time that passes is not owed. How long until the next look."""
        if not self._rests:
            self._missed += self._late(now_ns)
        self._rests = True
        self._due_ns = now_ns + self._every_ns
        return self._every_ns

    def offered(self, now_ns: int) -> int:
        """How many should have been begun by now."""
        return self.begun + self._missed + (0 if self._rests else self._late(now_ns))

    def _late(self, now_ns: int) -> int:
        return max(0, (now_ns - self._due_ns) // self._every_ns)
