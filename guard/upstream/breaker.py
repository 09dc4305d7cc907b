"""The breaker of one service: when so much fails that asking only makes it worse, nothing is asked for a while.

Closed, it counts; open, it lets nothing through; then it lets one exchange through at a time, and the first end that it
hears of decides. An exchange that ends without a verdict (its client left, its backend had no room) holds the way no
longer than the breaker would have stayed open. Arithmetic on the times that it is given: no clock, no timer.
"""

from collections import deque

from guard.model.upstream_policy import BreakerPolicy

_SLICES = 10


class Breaker:
    """Counts the ends of exchanges in a window that slides by tenths. Times are monotonic, in milliseconds."""

    def __init__(self, policy: BreakerPolicy) -> None:
        self._policy = policy
        self._slice_ms = max(policy.window_ms // _SLICES, 1)
        self._slices: deque[list[int]] = deque()
        self._good = self._bad = 0
        self._again_at_ms = 0
        self._trying = False
        self.open = False

    def lets_through(self, now_ms: int) -> bool:
        """Whether an exchange may begin. Asking changes nothing."""
        return not self.open or now_ms >= self._again_at_ms

    def begin(self, now_ms: int) -> bool:
        """The same, for an exchange that does begin, so that the next one may have to wait for its end."""
        if self.open:
            if now_ms < self._again_at_ms:
                return False
            self._again_at_ms = now_ms + self._policy.open_ms
            self._trying = True
        return True

    def succeeded(self, now_ms: int) -> None:
        """An exchange ended well. That closes the breaker, unless it has only just opened."""
        if not self.open:
            self._count(now_ms, 1, 0)
        elif self._trying:
            self.open = self._trying = False

    def failed(self, now_ms: int) -> None:
        """An exchange failed."""
        policy = self._policy
        if not self.open:
            self._count(now_ms, 0, 1)
            ends = self._good + self._bad
            if ends >= policy.exchanges_min and self._bad * 100 >= policy.failures_percent * ends:
                self._shut(now_ms)
        elif self._trying:
            self._shut(now_ms)

    def _shut(self, now_ms: int) -> None:
        self.open = True
        self._trying = False
        self._again_at_ms = now_ms + self._policy.open_ms
        self._slices.clear()
        self._good = self._bad = 0

    def _count(self, now_ms: int, good: int, bad: int) -> None:
        slices = self._slices
        if not slices or slices[-1][0] + self._slice_ms <= now_ms:
            while slices and slices[0][0] + self._policy.window_ms <= now_ms:
                _, gone_good, gone_bad = slices.popleft()
                self._good -= gone_good
                self._bad -= gone_bad
            slices.append([now_ms, 0, 0])
        slices[-1][1] += good
        slices[-1][2] += bad
        self._good += good
        self._bad += bad
