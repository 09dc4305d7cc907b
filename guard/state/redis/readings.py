"""What Redis told of meters, as the readings of a receipt: by the arithmetic that the store in memory uses."""

from collections.abc import Sequence

from guard.model.names import UnixMs
from guard.model.policy import Bucket, Calendar, Slots
from guard.model.questions import BucketKey, Charge, Debit, Reading
from guard.state.holdings import NEVER, HeldBucket, HeldCalendar, HeldSlots, Holding


def readings(charge: Charge, now: UnixMs, told: Sequence[float], *, granted: bool) -> tuple[Reading, ...]:
    """Three numbers of each debit: whether it was taken, and two that say how its meter stands (`lua/charge.lua`).

    Of a charge that was not granted: what each debit would have met, in order, had those before it been taken, for two
    may ask of one meter.
    """
    asked: dict[BucketKey, int] = {}
    read = []
    for number, debit in enumerate(charge.debits):
        taken, first, second = told[3 * number : 3 * number + 3]
        held = _holding(debit, charge.id, int(first), int(second), now)
        wait: int | None = 0
        if not granted:
            before = asked.get(debit.bucket, 0)
            wait = held.wait_ms(before + debit.cost, charge.id, debit.spare)
            if debit.vetoes:
                asked[debit.bucket] = before + debit.cost
        elif not taken:
            wait = held.wait_ms(debit.cost, charge.id, debit.spare)
        read.append(held.read(debit, wait))
    return tuple(read)


def _holding(debit: Debit, holder: str, first: int, second: int, now: UnixMs) -> Holding:
    meter = debit.limit.meter
    match meter:
        case Bucket():
            return HeldBucket(meter, first, now)
        case Calendar():
            return HeldCalendar(meter, first, UnixMs(second), now)
        case Slots():
            others = {f"{number}": NEVER for number in range(first - second)}
            return HeldSlots(meter, {**others, holder: NEVER} if second else others, NEVER)
