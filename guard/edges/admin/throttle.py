"""How often somebody may call the admin API: moving windows in this process, kept by the `limits` library.

A budget that is spent says how long to wait. What is counted, and whose budget it is, says who asks.
"""

import math
import time

from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from guard.edges.admin.problems import Refused


class Throttle:
    """`calls` a minute of one token, and of one address; `failures` a minute of sign-ins from one address.

    `records` an hour is how many failed sign-ins the audit trail takes in all, and one an hour from one address.
    """

    def __init__(self, *, calls: int = 600, failures: int = 10, records: int = 60) -> None:
        self._windows = MovingWindowRateLimiter(MemoryStorage())
        self._calls = RateLimitItemPerMinute(calls)
        self._failures = RateLimitItemPerMinute(failures)
        self._records = RateLimitItemPerHour(records)
        self._records_of_address = RateLimitItemPerHour(1)

    def call(self, whose: str, name: str) -> None:
        """One more call of a token or an address. Raises Refused if it is one too many."""
        if not self._windows.hit(self._calls, whose, name):
            raise self._refusal(self._calls, whose, name)

    def failed(self, address: str) -> None:
        """A sign-in failed."""
        self._windows.hit(self._failures, "failure", address)

    def refuse_after_failures(self, address: str) -> None:
        """Raises Refused if too many sign-ins from there have failed."""
        if not self._windows.test(self._failures, "failure", address):
            raise self._refusal(self._failures, "failure", address)

    def may_record(self, address: str) -> bool:
        """Whether a failed sign-in from there may go into the audit trail, which keeps everything for ever."""
        return self._windows.hit(self._records_of_address, "record", address) and self._windows.hit(
            self._records, "records"
        )

    def _refusal(self, item: RateLimitItem, *names: str) -> Refused:
        wait_s = max(1, math.ceil(self._windows.get_window_stats(item, *names).reset_time - time.time()))
        return Refused("admin.throttled", f"try again in {wait_s} s", fields=((b"retry-after", b"%d" % wait_s),))
