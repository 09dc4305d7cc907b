"""One endpoint of a backend: its pool, and what is known of its health. It hears how every exchange on it ended."""

from collections.abc import Callable
from typing import TypeAlias

from guard.model.upstream_policy import UpstreamPolicy
from guard.upstream.breaker import Breaker
from guard.upstream.health import Health
from guard.upstream.origin import Origin
from guard.upstream.pool import Pool

Notice: TypeAlias = Callable[[str, str], None]
"""Takes an event's name and the URL that it is about, for the operator's log."""

Rank: TypeAlias = tuple[int, int, int]

_NOT_SOON = 1 << 62


class Endpoint:
    """See the module. `clock` is monotonic, in milliseconds; `turn` grows with each time that it was chosen."""

    def __init__(
        self,
        origin: Origin,
        policy: UpstreamPolicy,
        clock: Callable[[], int],
        *,
        health: Health,
        breaker: Breaker | None,
        notice: Notice,
    ) -> None:
        self.origin = origin
        self.health = health
        self.turn = 0
        self._policy = policy
        self._clock = clock
        self._breaker = breaker
        self._notice = notice
        self.pool = Pool(origin, policy, clock, self)

    def rank(self, now_ms: int) -> Rank:
        """The smallest is asked next: the fit before those that may be back soon, then the idle, then the patient."""
        health = self.health
        if health.fit(now_ms):
            return (0, self.pool.busy, self.turn)
        return (health.aside_until_ms if health.checked else _NOT_SOON, self.pool.busy, self.turn)

    def answered(self) -> None:
        """An exchange ended with a whole answer."""
        if self.health.failures:
            self.health.answered()
        breaker = self._breaker
        if breaker is not None:
            was_open = breaker.open
            breaker.succeeded(self._clock())
            if was_open and not breaker.open:
                self._notice("breaker.closed", self.origin.url)

    def failed(self) -> None:
        """An exchange ended otherwise, and not because of the client."""
        now_ms = self._clock()
        if self.health.failed(now_ms):
            self._notice("endpoint.set_aside", self.origin.url)
        self.count_failure(now_ms)

    def unreachable(self) -> None:
        """It takes no connection. For the breaker that is a failure only if no other endpoint takes one."""
        if self.health.unreachable(self._clock()):
            self._notice("endpoint.set_aside", self.origin.url)

    def count_failure(self, now_ms: int) -> None:
        """Tell the breaker that a request has failed here."""
        breaker = self._breaker
        if breaker is not None:
            was_open = breaker.open
            breaker.failed(now_ms)
            if breaker.open and not was_open:
                self._notice("breaker.opened", self.origin.url)

    def checked(self, passed: bool) -> None:  # noqa: FBT001  # the verdict is all there is
        """A check has passed or not."""
        policy = self._policy.health
        if policy is not None and self.health.check(
            passed=passed, needed=policy.healthy if passed else policy.unhealthy
        ):
            self._notice("endpoint.healthy" if passed else "endpoint.unhealthy", self.origin.url)
