"""What one process holds of each meter: a level, what was spent, or leases; and how each is brought to a time, taken
from and read. The table that finds them, and takes from all or none, is `meters.py`.

An edit of a policy keeps what is known. A bucket's tokens are counted anew by the new period, and the time in between
refills at the slower of the two rates, because nobody knows when in it the change came. What was spent of a quota stays
spent in a shorter or longer period, which is known only since the old one began. Leases stay where they are. A meter
that becomes another kind starts anew, and knows nothing from before: no tokens, and no leases.
"""

from typing import TypeAlias

import msgspec

from guard.model.names import UnixMs
from guard.model.policy import Bucket, Calendar, Meter, Slots
from guard.model.questions import Debit, Reading
from guard.state import calendar_quota, slots, token_bucket

NEVER = UnixMs(1 << 62)


class HeldBucket(msgspec.Struct, gc=False):
    """A token bucket's level (tokens × period_ms of `meter`) at a time."""

    meter: Bucket
    level: int
    at: UnixMs

    def settle(self, now: UnixMs) -> None:
        """Bring it to `now`."""
        if now != self.at:
            self.level, self.at = token_bucket.settled(self.level, self.at, now, self.meter)

    def adopt(self, new: Bucket, now: UnixMs) -> None:
        """Count by an edited rule."""
        old = self.meter
        if old != new:  # knockout: changed_bucket_keeps_its_tokens
            slower = old if old.refill_tokens * new.period_ms <= new.refill_tokens * old.period_ms else new
            level = token_bucket.rescaled(self.level, old, slower)
            self.level, self.at = token_bucket.settled(level, self.at, now, slower)
            self.level = token_bucket.rescaled(self.level, slower, new)
        self.meter = new

    def take(self, cost: int, _holder: str, spare: int = 0) -> bool:
        """Take the cost if it is there, and `spare` beside it."""
        period_ms, level = self.meter.period_ms, self.level
        if (cost + spare) * period_ms > level:  # knockout: room
            return False
        self.level = level - cost * period_ms
        return True

    def put_back(self, cost: int) -> None:
        """Undo a `take` of this moment."""
        self.level += cost * self.meter.period_ms

    def refund(self, cost: int, _taken_at: UnixMs, now: UnixMs) -> None:
        """Give back what was taken. Never above capacity."""
        self.put_back(cost)
        self.level, self.at = token_bucket.settled(self.level, self.at, now, self.meter)

    def wait_ms(self, cost: int, _holder: str, spare: int = 0) -> int | None:
        """How long until the cost is there, and `spare` beside it."""
        return token_bucket.wait_ms(self.level, cost + spare, self.meter)

    def read(self, debit: Debit, wait: int | None) -> Reading:
        """How it stands, as the answer to a debit that must wait so long."""
        level, meter, spare = self.level, self.meter, debit.spare
        left = level // meter.period_ms
        next_ms = 0 if left >= meter.capacity else token_bucket.next_ms(level, meter)
        if left < spare:  # knockout: next_beyond_the_reserve
            next_ms = token_bucket.wait_ms(level, spare + 1, meter) or 0
        return Reading(debit.limit, max(left, 0), wait, next_ms, wait != 0, debit.cost, debit.vetoes, spare)

    def forget_at(self, now: UnixMs) -> UnixMs:
        """When it will be full: then it holds no more than one that is not remembered.

        Only looked at, not settled: an edited rule that slows it counts from `at` on.
        """
        level, _ = token_bucket.settled(self.level, self.at, now, self.meter)
        wait = token_bucket.wait_ms(level, self.meter.capacity, self.meter)
        return NEVER if wait is None else UnixMs(now + wait)


class HeldCalendar(msgspec.Struct, gc=False):
    """What was spent of a calendar quota in the period that `at` lies in, known since `since`."""

    meter: Calendar
    spent: int
    since: UnixMs
    at: UnixMs

    def settle(self, now: UnixMs) -> None:
        """Bring it to `now`. A clock that went backwards gives nothing back."""
        if now > self.at:
            if self.at < calendar_quota.begin(now, self.meter):  # knockout: new_period_gives_all_back
                self.spent = 0
            self.at = now

    def adopt(self, new: Calendar, now: UnixMs) -> None:
        """Count by an edited rule."""
        self.settle(now)
        if self.meter.period_ms != new.period_ms:  # knockout: changed_period_is_half_known
            self.since = max(self.since, calendar_quota.begin(now, self.meter))
        self.meter = new

    def take(self, cost: int, _holder: str, spare: int = 0) -> bool:
        """Take the cost if it is there, and `spare` beside it."""
        if cost + spare > calendar_quota.left(self.spent, self.since, self.at, self.meter):  # knockout: quota_has_room
            return False
        self.spent += cost
        return True

    def put_back(self, cost: int) -> None:
        """Undo a `take` of this moment."""
        self.spent -= cost

    def refund(self, cost: int, taken_at: UnixMs, now: UnixMs) -> None:
        """Give back what was taken in this period, as far as it is known; that of an earlier one is over."""
        self.settle(now)
        counted_since = max(self.since, calendar_quota.begin(self.at, self.meter))
        if taken_at >= counted_since:  # knockout: only_what_was_counted_is_refunded
            self.spent = max(self.spent - cost, 0)

    def wait_ms(self, cost: int, _holder: str, spare: int = 0) -> int | None:
        """How long until the cost is there, and `spare` beside it."""
        return calendar_quota.wait_ms(self.spent, cost + spare, self.since, self.at, self.meter)

    def read(self, debit: Debit, wait: int | None) -> Reading:
        """How it stands, as the answer to a debit that must wait so long."""
        known = self.spent, self.since, self.at, self.meter
        left, next_ms = calendar_quota.left(*known), calendar_quota.next_ms(*known)
        if left < debit.spare:  # knockout: next_of_a_quota_beyond_the_reserve
            next_ms = calendar_quota.wait_ms(self.spent, debit.spare + 1, self.since, self.at, self.meter) or 0
        return Reading(debit.limit, left, wait, next_ms, wait != 0, debit.cost, debit.vetoes, debit.spare)

    def forget_at(self, now: UnixMs) -> UnixMs:
        """When the next period begins: then nothing is spent, and all of it is known, as of one not remembered."""
        begin = calendar_quota.begin(self.at, self.meter)
        return now if self.spent == 0 and self.since <= begin else UnixMs(begin + self.meter.period_ms)


class HeldSlots(msgspec.Struct, gc=False):
    """Who holds a slot, and till when. No lease ends before `first_end`.

    All leases are looked at when that has come: rarely, for most are released long before.
    """

    meter: Slots
    leases: dict[str, UnixMs]
    first_end: UnixMs

    def settle(self, now: UnixMs) -> None:
        """Bring it to `now`."""
        if now >= self.first_end:  # knockout: lease_ends
            self.leases = slots.live(self.leases, now)
            self.first_end = min(self.leases.values(), default=NEVER)

    def adopt(self, new: Slots, _now: UnixMs) -> None:
        """Count by an edited rule."""
        self.meter = new

    def take(self, _cost: int, holder: str, spare: int = 0) -> bool:
        """Whether there is a slot. `lease` takes it, once it is known that the charge is granted."""
        return slots.wait_ms(self.leases, holder, self.meter, spare) == 0

    def put_back(self, _cost: int) -> None:
        """Nothing was taken yet."""

    def refund(self, _cost: int, _taken_at: UnixMs, _now: UnixMs) -> None:
        """Leases are ended by their holder's id: see `release`."""

    def lease(self, holder: str, end: UnixMs, spare: int = 0) -> None:
        """Take a slot if there is one, or hold the one that it has for longer."""
        if slots.wait_ms(self.leases, holder, self.meter, spare) == 0:  # knockout: shadow_slot_is_free
            self.leases[holder] = end
            self.first_end = min(self.first_end, end)

    def release(self, holder: str) -> None:
        """Its exchange is over."""
        self.leases.pop(holder, None)

    def wait_ms(self, _cost: int, holder: str, spare: int = 0) -> int:
        """When to try again."""
        return slots.wait_ms(self.leases, holder, self.meter, spare)

    def read(self, debit: Debit, wait: int | None) -> Reading:
        """How it stands, as the answer to a debit that must wait so long. Nobody knows when more will be free."""
        left = slots.free(self.leases, self.meter)
        return Reading(debit.limit, left, wait, 0, wait != 0, debit.cost, debit.vetoes, debit.spare)

    def forget_at(self, now: UnixMs) -> UnixMs:
        """When the last lease is over."""
        return max(self.leases.values(), default=now)


Holding: TypeAlias = HeldBucket | HeldCalendar | HeldSlots


def opened(meter: Meter, since: UnixMs, now: UnixMs) -> Holding:
    """One of which nothing is known but what can have come back since `since`."""
    match meter:
        case Bucket():
            level, at = token_bucket.settled(0, since, now, meter)
            return HeldBucket(meter, level, at)
        case Calendar():
            return HeldCalendar(meter, 0, since, now)
        case Slots():
            return HeldSlots(meter, {}, NEVER)


def adopted(held: Holding, meter: Meter, now: UnixMs) -> Holding:
    """The same, counted by an edited rule; one that starts now, if the rule is of another kind."""
    match held, meter:
        case HeldBucket(), Bucket():
            held.adopt(meter, now)
        case HeldCalendar(), Calendar():
            held.adopt(meter, now)
        case HeldSlots(), Slots():
            held.adopt(meter, now)
        case _:
            return opened(meter, now, now)
    return held
