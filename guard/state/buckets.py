"""The token buckets of one process: who has one, how full it is, and when it may be forgotten.

A bucket that is full again is dropped, for a bucket that nobody remembers holds what refill since the store's birth
allows, and that is no less. A bucket outlives a change of its rate: its tokens are counted anew by the new period, and
the time in between refills at the slower of the two rates, because nobody knows when in it the change came.
"""

import msgspec

from guard.model.names import UnixMs
from guard.model.policy import Bucket
from guard.model.questions import BucketKey, Debit, Granted, Reading, Short
from guard.state.token_bucket import next_ms, rescaled, settled, wait_ms
from guard.state.wheel import Wheel


class Held(msgspec.Struct, gc=False):
    """One bucket's level (tokens × period_ms of `bucket`) at a time."""

    level: int
    at: UnixMs
    bucket: Bucket


class Buckets:
    """Buckets by key. `born_at` is when memory begins: a bucket not seen since holds what refill since then allows."""

    __slots__ = ("_born_at", "_held", "_wheel")

    def __init__(self, born_at: UnixMs) -> None:
        self._born_at = born_at
        self._held: dict[BucketKey, Held] = {}
        self._wheel: Wheel[BucketKey] = Wheel()

    def __len__(self) -> int:
        return len(self._held)

    def take(self, debits: tuple[Debit, ...], now: UnixMs) -> Granted | Short:
        """Every vetoing debit or none; then those that do not veto, each if it fits."""
        held: list[Held] = []
        for debit in debits:
            bucket = self._settled(debit, now)
            held.append(bucket)
            if debit.vetoes:
                units = debit.cost * bucket.bucket.period_ms
                if units > bucket.level:  # knockout: room
                    return self._short(debits, held, now)
                bucket.level -= units
        return Granted(now, tuple(map(_taken, debits, held)))

    def missing(self, debits: tuple[Debit, ...]) -> int:
        """How many new buckets these debits would make."""
        return len({debit.bucket for debit in debits if debit.bucket not in self._held})

    def give_back(self, debits: tuple[Debit, ...], readings: tuple[Reading, ...], now: UnixMs) -> None:
        """The tokens of a granted charge, except those that a shadow limit could not take. Never above capacity."""
        for debit, reading in zip(debits, readings, strict=True):
            if reading.short:  # knockout: refund_only_what_was_taken
                continue
            held = self._settled(debit, now)
            level = held.level + debit.cost * held.bucket.period_ms
            held.level, held.at = settled(level, held.at, now, held.bucket)

    def sweep(self, now: UnixMs, looks: int) -> None:
        """Look at up to `looks` buckets whose time to be full has come, and drop those that are."""
        if now < self._wheel.next_at:
            return
        for _ in range(looks):
            key = self._wheel.take(now)
            if key is None:
                return
            held = self._held[key]
            level, _ = settled(held.level, held.at, now, held.bucket)
            wait = wait_ms(level, held.bucket.capacity, held.bucket)
            if wait == 0:  # knockout: full_bucket_is_dropped
                del self._held[key]
            elif wait is not None:
                self._wheel.add(now + wait, key)

    def _settled(self, debit: Debit, now: UnixMs) -> Held:
        bucket = debit.limit.bucket
        held = self._held.get(debit.bucket)
        if held is None:
            level, at = settled(0, self._born_at, now, bucket)
            held = self._held[debit.bucket] = Held(level, at, bucket)
            self._wheel.add(now, debit.bucket)
            return held
        if held.bucket is not bucket:
            _adopt(held, bucket, now)
        if now != held.at:
            held.level, held.at = settled(held.level, held.at, now, bucket)
        return held

    def _short(self, debits: tuple[Debit, ...], held: list[Held], now: UnixMs) -> Short:
        """The last of `held` had too little: those before it get back what they gave, and every debit is read."""
        for debit, bucket in zip(debits, held[:-1], strict=False):
            if debit.vetoes:  # knockout: all_or_nothing
                bucket.level += debit.cost * bucket.bucket.period_ms
        held += [self._settled(debit, now) for debit in debits[len(held) :]]
        return Short(now, _short_readings(debits, held))


def _adopt(held: Held, new: Bucket, now: UnixMs) -> None:
    old = held.bucket
    if old != new:  # knockout: changed_bucket_keeps_its_tokens
        slower = old if old.refill_tokens * new.period_ms <= new.refill_tokens * old.period_ms else new
        level = rescaled(held.level, old, slower)
        held.level, held.at = settled(level, held.at, now, slower)
        held.level = rescaled(held.level, slower, new)
    held.bucket = new


def _taken(debit: Debit, held: Held) -> Reading:
    bucket = held.bucket
    wait: int | None = 0
    if not debit.vetoes:  # knockout: shadow_is_taken
        wait = wait_ms(held.level, debit.cost, bucket)
        if wait == 0:  # knockout: shadow_fits
            held.level -= debit.cost * bucket.period_ms
    return _reading(debit, held, wait)


def _short_readings(debits: tuple[Debit, ...], held: list[Held]) -> tuple[Reading, ...]:
    """What each debit would have met, in order, had those before it been taken (two may ask of one bucket)."""
    asked: dict[BucketKey, int] = {}
    readings = []
    for debit, bucket in zip(debits, held, strict=True):
        before = asked.get(debit.bucket, 0)
        wait = wait_ms(bucket.level, before + debit.cost, bucket.bucket)
        if debit.vetoes:
            asked[debit.bucket] = before + debit.cost
        readings.append(_reading(debit, bucket, wait))
    return tuple(readings)


def _reading(debit: Debit, held: Held, wait: int | None) -> Reading:
    level, bucket = held.level, held.bucket
    left = level // bucket.period_ms
    return Reading(debit.limit, left, wait, next_ms(level, bucket), wait != 0, debit.cost, debit.vetoes)
