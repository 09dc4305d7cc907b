"""The arithmetic of a token bucket, as pure functions on integers. It remembers nothing: a store keeps level and time.

A level is counted in tokens × `period_ms`, so that one millisecond adds exactly `refill_tokens` to it and nothing is
ever rounded: a bucket of one token every three seconds owes no fraction after a million requests.
"""

from guard.model.names import UnixMs
from guard.model.policy import Bucket


def settled(level: int, at: UnixMs, now: UnixMs, bucket: Bucket) -> tuple[int, UnixMs]:
    """The level at `now`, and the time it is true for. Never above capacity.

    A clock that went backwards gives nothing and takes nothing: the time stays, so no millisecond is refilled twice.
    """
    if now > at:  # knockout: bucket_refills
        level += (now - at) * bucket.refill_tokens
        at = now
    full = bucket.capacity * bucket.period_ms
    if level > full:  # knockout: bucket_holds_no_more_than_capacity  # noqa: PLR1730
        level = full
    return level, at


def rescaled(level: int, old: Bucket, new: Bucket) -> int:
    """The same tokens counted by the new bucket's period, rounded down, and no more than its capacity."""
    return min(level * new.period_ms // old.period_ms, new.capacity * new.period_ms)


def wait_ms(level: int, cost: int, bucket: Bucket) -> int | None:
    """The least milliseconds after which `cost` tokens are there: 0 if they are, None if they never will be."""
    missing = cost * bucket.period_ms - level
    if missing <= 0:  # knockout: bucket_wait_is_zero_if_it_fits
        return 0
    if cost > bucket.capacity:  # knockout: bucket_wait_is_none_above_capacity
        return None
    if bucket.refill_tokens == 0:  # knockout: bucket_wait_is_none_without_refill
        return None
    return -(-missing // bucket.refill_tokens)


def next_ms(level: int, bucket: Bucket) -> int:
    """Milliseconds to the next whole token. 0 when the bucket is full or never refills."""
    if level >= bucket.capacity * bucket.period_ms:  # knockout: bucket_next_is_zero_when_full
        return 0
    if bucket.refill_tokens == 0:  # knockout: bucket_next_is_zero_without_refill
        return 0
    return -(-(bucket.period_ms - level % bucket.period_ms) // bucket.refill_tokens)
