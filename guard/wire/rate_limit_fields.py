"""RateLimit and RateLimit-Policy after draft-ietf-httpapi-ratelimit-headers-10: how much room there is, and until when.

What is said never promises more than there is: remaining tokens are rounded down, times up.
"""

from functools import lru_cache

from guard.model.policy import Bucket, Calendar, Meter, Slots
from guard.model.questions import Reading
from guard.wire.owned_fields import RATELIMIT, RATELIMIT_POLICY
from guard.wire.structured_fields import integer, members, string, with_parameters

_COUNT_MAX = 999_999_999_999_999  # what a structured Integer can say


def rate_limit(readings: tuple[Reading, ...]) -> tuple[tuple[bytes, bytes], ...]:
    """Both fields for the limits that may be shown, or nothing. Shadow limits are not shown: they refuse nobody.

    A limit from which this message took more than one token says so with `guard-unit="cost"`.
    """
    shown = [reading for reading in readings if reading.limit.exposed and reading.vetoes]
    if not shown:
        return ()
    policies = [_policy(reading.limit.name, reading.limit.meter, reading.spare, reading.cost > 1) for reading in shown]
    return ((RATELIMIT_POLICY, members(policies)), (RATELIMIT, members([_room(reading) for reading in shown])))


def seconds(wait_ms: int) -> int:
    """Milliseconds as whole seconds, rounded up."""
    return -(-wait_ms // 1000)


@lru_cache(maxsize=1024)
def _policy(name: str, meter: Meter, spare: int, costly: bool) -> bytes:  # noqa: FBT001  # a cache key, not a switch for callers
    """`q` is the most that there can be, but for what is kept for others; `w` how many seconds it takes to come back.

    Slots come back at no time.
    """
    most = max(meter.capacity - spare, 0)
    parameters = [(b"q", integer(min(most, _COUNT_MAX)))]
    match meter:
        case Bucket():
            window_s = -(-most * meter.period_ms // (meter.refill_tokens * 1000))
            parameters.append((b"w", integer(min(window_s, _COUNT_MAX))))
        case Calendar():
            parameters.append((b"w", integer(seconds(meter.period_ms))))
        case Slots():
            parameters.append((b"qu", string("concurrent-requests")))
    if costly:
        parameters.append((b"guard-unit", string("cost")))
    return with_parameters(string(name), *parameters)


_name = lru_cache(maxsize=1024)(string)


def _room(reading: Reading) -> bytes:
    """`r` is what is left; `t` how many seconds until there is more, absent when there can be no more."""
    left, next_ms = min(reading.usable, _COUNT_MAX), reading.next_ms
    if next_ms <= 0:
        return b"%b;r=%d" % (_name(reading.limit.name), left)
    return b"%b;r=%d;t=%d" % (_name(reading.limit.name), left, min(-(-next_ms // 1000), _COUNT_MAX))
