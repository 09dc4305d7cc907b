"""What one process may do by itself while the shared store does not answer: its part of every limit, and the messages
that it knows. It asks nobody, and is not asked while the store answers.

Why it is right: each process takes N / (100 × processes) of a limit's capacity and of its rate, by exact arithmetic (a
part of a bucket is a bucket with a longer period), and begins with no more than that part of what was last known to be
left; so all of them together give out at most N % of burst + rate × the time without the store. Only that time counts,
and the next loss goes on where the last one ended unless a part could have filled since: so a store that comes and goes
gives out no more than one that stays away. What was given out is told to the store when it is back, under the ids of
the charges themselves: one that it had taken after all, though its answer was lost, is not taken twice.
"""

from collections import OrderedDict
from functools import lru_cache
from typing import Final

import msgspec

from guard.model.names import UnixMs
from guard.model.policy import Bucket, Limit, Meter, OnLoss, Slots
from guard.model.questions import BucketKey, Charge, Debit, Granted, Receipt, Replayed, Short, Unavailable
from guard.state.meters import Meters
from guard.state.nonces import Nonces

_NO_PART: Final = Unavailable("the shared store is lost, and this process has no part in its limits")
_FULL: Final = Unavailable("the shared store is lost, and memory is full")
_EVER_MS: Final = 1 << 50
"""How long the parts have had to fill before anything was lost."""
_PRUNE_MS: Final = 1000


class LocalShare:
    """See the module. `born_at` is since when this process knows messages.

    `processes` is how many there were when the store was lost; 0 before it ever answered: who comes later has no part.
    """

    def __init__(self, born_at: UnixMs, *, charges_max: int = 50_000, meters_max: int = 100_000) -> None:
        self._nonces = Nonces(born_at, charges_max)
        self._unsure_until = born_at
        self._meters = Meters(UnixMs(0))
        self._meters_max = meters_max
        self._left: OrderedDict[BucketKey, int] = OrderedDict()
        self._begun: dict[BucketKey, _Begun] = {}
        self._granted: OrderedDict[str, Charge] = OrderedDict()
        self._charges_max = charges_max
        self._prune_at = born_at
        self._processes = 0
        self._loss = 0
        self._lost_at: UnixMs | None = None
        self._lost_ms = _EVER_MS

    @property
    def lost(self) -> bool:
        """Whether the store is lost now."""
        return self._lost_at is not None

    def lose(self, processes: int, now: UnixMs) -> None:
        """The store does not answer any more. Time counts from now on."""
        if self._lost_at is None:
            self._lost_at, self._processes = now, processes
            self._loss += 1

    def find(self, now: UnixMs) -> tuple[Charge, ...]:
        """The store answers again: what it must be told."""
        if self._lost_at is not None:
            self._lost_ms = self._lost_for(now)
            self._lost_at = None
        granted, self._granted = tuple(self._granted.values()), OrderedDict()
        return granted

    def observe(self, charge: Charge, receipt: Receipt) -> None:
        """What the store said while it answered: the last that is known of its limits, and of messages that it took."""
        if not isinstance(receipt, Granted | Short):
            return
        if charge.loss.limits is OnLoss.LOCAL:
            for debit, reading in zip(charge.debits, receipt.readings, strict=True):
                if len(self._left) >= self._meters_max and debit.bucket not in self._left:
                    self._left.popitem(last=False)  # what is not known counts as full: still only a part of it
                self._left[debit.bucket] = reading.remaining
        if charge.loss.replay is OnLoss.LOCAL and charge.once is not None and isinstance(receipt, Granted):
            self._nonces.sweep(charge.now, 2)
            if self._nonces.full:
                self._unsure_until = max(self._unsure_until, charge.once.forget_after)
            else:
                self._nonces.remember(charge.once, charge.now)

    def replayed(self, charge: Charge) -> Replayed | None:
        """Whether this process has let the message pass before."""
        refusal = None if charge.once is None else self._nonces.refusal(charge.once, charge.now)
        return refusal if isinstance(refusal, Replayed) else None

    def charge(self, charge: Charge) -> Receipt:
        """Ask and spend, as far as this process knows and has a part. Only while the store is lost."""
        once, now = charge.once, charge.now
        self._nonces.sweep(now, 2)
        if once is not None:
            refusal = self._nonces.refusal(once, now)
            if refusal is not None:
                return refusal
            if self._nonces.full:  # knockout: share_nonces_max
                return _FULL
            if now <= self._unsure_until:  # knockout: share_is_unsure
                return _FULL
        answer: Receipt = Granted(now, ())
        if charge.debits:
            answer = self._spend(charge)
        if isinstance(answer, Unavailable):
            return answer
        if once is not None and (once.burns or isinstance(answer, Granted)):  # knockout: share_remembers
            self._nonces.remember(once, now)
        if isinstance(answer, Granted):
            self._keep(charge)
        return answer

    def withdraw(self, charge: Charge) -> bool:
        """A charge that was granted here and not told to the store yet is void. Its part is not given back."""
        self.release(charge)
        return self._granted.pop(charge.id, None) is not None

    def settle(self, charge: Charge, costs: tuple[int, ...]) -> bool:
        """A charge that was granted here and not told to the store yet has cost otherwise: that is told then.

        What it has cost more is taken of the part; what it has cost less is not given back to it.
        """
        self.release(charge)
        granted = self._granted.get(charge.id)
        if granted is None:
            return False
        for debit, over in zip(granted.debits, charge.overpaid(costs).debits, strict=False):
            begun = self._begun.get(debit.bucket)
            if begun is not None and over.cost < 0:  # knockout: share_settles
                self._meters.adjust(begun.key, over.cost, UnixMs(self._lost_for(charge.now)))
        settled = [msgspec.structs.replace(debit, cost=cost) for debit, cost in zip(charge.debits, costs, strict=True)]
        self._granted[charge.id] = msgspec.structs.replace(granted, debits=tuple(settled) if granted.debits else ())
        return True

    def release(self, charge: Charge) -> None:
        """End the leases that the charge's id holds here."""
        held = tuple(
            [
                msgspec.structs.replace(debit, bucket=self._begun[debit.bucket].key)
                for debit in charge.debits
                if isinstance(debit.limit.meter, Slots) and debit.bucket in self._begun
            ]
        )
        if held:
            self._meters.release(msgspec.structs.replace(charge, debits=held))

    def _spend(self, charge: Charge) -> Receipt:
        if self._processes == 0:  # knockout: share_of_a_newcomer
            return _NO_PART
        at = UnixMs(self._lost_for(charge.now))
        self._meters.sweep(at, 2 * len(charge.debits))
        if not self._has_room(charge):  # knockout: share_meters_max
            return _FULL
        parts = tuple([self._part(debit, charge, at) for debit in charge.debits])
        answer = self._meters.take(msgspec.structs.replace(charge, debits=parts, now=at), at)
        return msgspec.structs.replace(answer, now=charge.now)

    def _has_room(self, charge: Charge) -> bool:
        """Parts that have had the time to fill need not be known: one that begins anew holds no more."""
        if len(self._begun) + len(charge.debits) > self._meters_max and charge.now >= self._prune_at:
            self._begun = {key: begun for key, begun in self._begun.items() if charge.now < begun.full_at}
            self._prune_at = UnixMs(charge.now + _PRUNE_MS)
        return len(self._begun) + len(charge.debits) <= self._meters_max

    def _part(self, debit: Debit, charge: Charge, at: UnixMs) -> Debit:
        """The same debit, from the part of this process: where a loss begins, no more of it than may be given out."""
        part = _part_of(debit.limit, charge.loss.limits_percent, self._processes)
        begun = self._begun.get(debit.bucket)
        if begun is None or charge.now >= begun.full_at:  # knockout: share_begins_anew
            begun = _Begun((*debit.bucket, str(self._loss)), 0, charge.now)
            self._begun[debit.bucket] = begun
        if begun.loss != self._loss:  # knockout: share_of_what_was_left
            begun.loss = self._loss
            left = self._left.get(debit.bucket, debit.limit.meter.capacity)
            most = left * charge.loss.limits_percent // (100 * self._processes)
            self._bring_down(Debit(begun.key, part, 0), most, at)
        begun.full_at = UnixMs(charge.now + _fill_ms(debit.limit.meter))
        spare = min(-(-debit.spare * charge.loss.limits_percent // (100 * self._processes)), part.meter.capacity - 1)
        return Debit(begun.key, part, debit.cost, debit.vetoes, max(spare, 0))

    def _bring_down(self, debit: Debit, most: int, at: UnixMs) -> None:
        (reading,) = self._meters.collect(Charge(id="", now=at, debits=(debit,)), at).readings
        over = msgspec.structs.replace(debit, cost=max(reading.remaining - most, 0))
        self._meters.collect(Charge(id="", now=at, debits=(over,)), at)

    def _keep(self, charge: Charge) -> None:
        if len(self._granted) >= self._charges_max:  # the oldest debts have refilled before the newest
            self._granted.popitem(last=False)
        self._granted[charge.id] = charge

    def _lost_for(self, now: UnixMs) -> int:
        return self._lost_ms + (0 if self._lost_at is None else max(now - self._lost_at, 0))


class _Begun(msgspec.Struct, gc=False):
    """A part that was used: under which key, in which loss last, and when it is full again if nothing more is taken."""

    key: BucketKey
    loss: int
    full_at: UnixMs


@lru_cache(maxsize=1024)
def _part_of(limit: Limit, percent: int, processes: int) -> Limit:
    """The limit for one of so many processes that may give out so many percent. What comes back at once, by the
    calendar, comes back evenly here: a part must not begin anew while nobody counts.
    """
    parts = 100 * processes
    match limit.meter:
        case Slots(count):
            meter: Meter = Slots(count * percent // parts)
        case Bucket(capacity, refill, period_ms):
            meter = Bucket(max(capacity * percent // parts, 1), refill * percent, period_ms * parts)
        case calendar:
            tokens = calendar.capacity
            meter = Bucket(max(tokens * percent // parts, 1), tokens * percent, calendar.period_ms * parts)
    return msgspec.structs.replace(limit, meter=meter)


def _fill_ms(meter: Meter) -> int:
    """How long an empty one needs to fill; and with it each part, which has no more than its part to fill."""
    match meter:
        case Slots():
            return 0
        case Bucket(capacity, refill, period_ms):
            return -(-capacity * period_ms // refill)
        case calendar:
            return calendar.period_ms
