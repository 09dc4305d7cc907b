"""The arithmetic of a quota by the calendar, as pure functions on integers. It remembers nothing: a store keeps what
was spent in which period, and since when it knows.

Periods are aligned to the epoch, so that those of an hour and of a day are UTC's. Who has known the whole period may
spend all of its tokens. Who has known it only from some moment on, because the store or the quota is younger, may spend
what would have come back evenly since then: so restarts, however many, never grant more than one period's worth.
"""

from guard.model.names import UnixMs
from guard.model.policy import Calendar


def begin(now: UnixMs, quota: Calendar) -> UnixMs:
    """When the period of `now` began. A boundary belongs to the period that it begins."""
    return UnixMs(now - now % quota.period_ms)


def left(spent: int, since: UnixMs, now: UnixMs, quota: Calendar) -> int:
    """Whole tokens that can be spent at `now`, in its period, of which `spent` are gone. Never below 0."""
    tokens = quota.tokens
    if since > begin(now, quota):  # knockout: half_known_period
        tokens = (now - since) * tokens // quota.period_ms
    return max(tokens - spent, 0)


def wait_ms(spent: int, cost: int, since: UnixMs, now: UnixMs, quota: Calendar) -> int | None:
    """The least milliseconds after which `cost` tokens are there: 0 if they are, None if they never will be."""
    if cost <= left(spent, since, now, quota):
        return 0
    if cost > quota.tokens:  # knockout: calendar_wait_is_none_above_all_tokens
        return None
    end = begin(now, quota) + quota.period_ms
    if since > begin(now, quota):  # knockout: half_known_period_may_be_enough
        enough_ms = -(-(spent + cost) * quota.period_ms // quota.tokens)
        end = min(end, since + enough_ms)
    return end - now


def next_ms(spent: int, since: UnixMs, now: UnixMs, quota: Calendar) -> int:
    """Milliseconds until there are more tokens. 0 when there are all: then there never will be more."""
    return wait_ms(spent, left(spent, since, now, quota) + 1, since, now, quota) or 0
