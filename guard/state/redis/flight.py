"""What was sent and is not answered yet: the calls of one flush, and until when they are waited for.

Why the deadline is fair: it counts from when the oldest question was asked. When it comes, the socket may already
hold the answer that a stalled event loop had no turn to read, so the first look only notes it, and gives one more
millisecond and as long as the loop itself was late; the second look is final. Arithmetic on the times that it is given:
no clock, no timer.
"""

from collections.abc import Sequence
from typing import Final

from guard.model.questions import Unavailable
from guard.state.redis.calls import Call

TIMED_OUT: Final = Unavailable("redis: no answer in time")

_DRAIN_S = 0.001
_LAG_MAX_S = 0.25


class Flight:
    """Calls that were written together. First come the replies to `loads` of scripts, last, if it is `confirmed`, how
    many replicas have it.
    """

    __slots__ = ("_looked", "asked_at", "calls", "confirmed", "loads", "over", "replies")

    def __init__(self, calls: Sequence[Call], asked_at: float, *, loads: int = 0, confirmed: bool = False) -> None:
        self.calls = calls
        self.asked_at = asked_at
        self.loads = loads
        self.confirmed = confirmed
        self.replies: list[object] = []
        self.over = False
        self._looked = False

    @property
    def complete(self) -> bool:
        """Whether everything that was written has been answered."""
        return len(self.replies) == self.loads + len(self.calls) + self.confirmed

    def answers(self) -> list[tuple[Call, object]]:
        """Each call with its reply."""
        return list(zip(self.calls, self.replies[self.loads :], strict=False))

    def fail(self, why: Unavailable) -> None:
        """Nobody waits for it any longer."""
        self.over = True
        for call in self.calls:
            call.failed(why)

    def look(self, now: float, timeout_s: float) -> float:
        """Seconds until it is to be looked at again; 0 if its time is over."""
        late = now - (self.asked_at + timeout_s)
        if late < 0:
            return -late
        if self._looked:
            return 0
        self._looked = True
        return _DRAIN_S + min(late, _LAG_MAX_S)
