"""The meters of one process: who has one, what it takes from all of them or none, and when one may be forgotten.

What is held of each kind is `holdings.py`. A meter is dropped when it is as if nobody remembered it: a full bucket, a
quota of which nothing is spent, slots that nobody holds. What is not remembered holds what can have come back since the
store's birth.
"""

from guard.model.names import UnixMs
from guard.model.questions import BucketKey, Charge, Debit, Granted, Reading, Short
from guard.state.holdings import NEVER, HeldSlots, Holding, adopted, opened
from guard.state.wheel import Wheel


class Meters:
    """Meters by key. `born_at` is when memory begins."""

    __slots__ = ("_born_at", "_held", "_wheel")

    def __init__(self, born_at: UnixMs) -> None:
        self._born_at = born_at
        self._held: dict[BucketKey, Holding] = {}
        self._wheel: Wheel[BucketKey] = Wheel()

    def __len__(self) -> int:
        return len(self._held)

    def take(self, charge: Charge, now: UnixMs) -> Granted | Short:
        """Every vetoing debit or none; then those that do not veto, each if it fits."""
        debits, holder = charge.debits, charge.id
        held: list[Holding] = []
        for debit in debits:
            holding = self._settled(debit, now)
            held.append(holding)
            if debit.vetoes and not holding.take(debit.cost, holder, debit.spare):  # knockout: veto
                return self._short(charge, held, now)
        if charge.hold_ms:  # knockout: slots_are_leased
            end = UnixMs(now + charge.hold_ms)
            for debit, holding in zip(debits, held, strict=True):
                if isinstance(holding, HeldSlots):
                    holding.lease(holder, end, debit.spare)
        readings = []
        for debit, holding in zip(debits, held, strict=True):
            wait: int | None = 0
            if not debit.vetoes and not holding.take(debit.cost, holder, debit.spare):  # knockout: shadow_is_taken
                wait = holding.wait_ms(debit.cost, holder, debit.spare)
            readings.append(holding.read(debit, wait))
        return Granted(now, tuple(readings))

    def collect(self, charge: Charge, now: UnixMs) -> Granted:
        """What each debit costs, as far as there is so much. A reading that is short says that there was not."""
        readings = []
        for debit in charge.debits:
            holding = self._settled(debit, now)
            left = holding.read(debit, 0).remaining
            wait = None if left < debit.cost else 0
            holding.take(min(debit.cost, left), charge.id)
            readings.append(holding.read(debit, wait))
        return Granted(now, tuple(readings))

    def missing(self, debits: tuple[Debit, ...]) -> int:
        """How many new meters these debits would make."""
        return len({debit.bucket for debit in debits if debit.bucket not in self._held})

    def give_back(self, charge: Charge, receipt: Granted, now: UnixMs) -> None:
        """The tokens of a granted charge, except those that a shadow limit could not take.

        What is not remembered lacks none, but must be remembered to owe some; and what has become another kind of meter
        since knows nothing of them.
        """
        for debit, reading in zip(charge.debits, receipt.readings, strict=True):
            held = self._held.get(debit.bucket)
            if reading.short:  # knockout: refund_only_what_was_taken
                continue
            if held is None and debit.cost < 0:  # knockout: full_meter_owes
                held = self._settled(debit, now)
            if held is None:
                continue
            if type(held.meter) is type(debit.limit.meter):  # knockout: refund_to_the_same_kind
                held.refund(debit.cost, receipt.now, now)

    def adjust(self, key: BucketKey, tokens: int, now: UnixMs) -> None:
        """Give tokens to a meter that is remembered, or take them though they be not there: then it owes them."""
        held = self._held.get(key)
        if held is not None:
            held.refund(tokens, now, now)

    def release(self, charge: Charge) -> None:
        """End the leases that the charge's id holds."""
        for debit in charge.debits:
            held = self._held.get(debit.bucket)
            if isinstance(held, HeldSlots):  # knockout: slots_are_released
                held.release(charge.id)

    def sweep(self, now: UnixMs, looks: int) -> None:
        """Look at up to `looks` meters whose time to be forgotten has come, and drop those that may be."""
        if now < self._wheel.next_at:
            return
        for _ in range(looks):
            key = self._wheel.take(now)
            if key is None:
                return
            forget_at = self._held[key].forget_at(now)
            if forget_at <= now:  # knockout: meter_is_dropped
                del self._held[key]
            elif forget_at < NEVER:
                self._wheel.add(forget_at, key)

    def _settled(self, debit: Debit, now: UnixMs) -> Holding:
        meter, key = debit.limit.meter, debit.bucket
        held = self._held.get(key)
        if held is None:
            held = self._held[key] = opened(meter, self._born_at, now)
            self._wheel.add(now, key)
            return held
        if held.meter is not meter:
            held = self._held[key] = adopted(held, meter, now)
        held.settle(now)
        return held

    def _short(self, charge: Charge, held: list[Holding], now: UnixMs) -> Short:
        """The last of `held` had too little: those before it get back what they gave, and every debit is read."""
        for debit, holding in zip(charge.debits, held[:-1], strict=False):
            if debit.vetoes:  # knockout: all_or_nothing
                holding.put_back(debit.cost)
        held += [self._settled(debit, now) for debit in charge.debits[len(held) :]]
        return Short(now, _short_readings(charge, held))


def _short_readings(charge: Charge, held: list[Holding]) -> tuple[Reading, ...]:
    """What each debit would have met, in order, had those before it been taken (two may ask of one meter)."""
    asked: dict[BucketKey, int] = {}
    readings = []
    for debit, holding in zip(charge.debits, held, strict=True):
        before = asked.get(debit.bucket, 0)
        wait = holding.wait_ms(before + debit.cost, charge.id, debit.spare)
        if debit.vetoes:
            asked[debit.bucket] = before + debit.cost
        readings.append(holding.read(debit, wait))
    return tuple(readings)
