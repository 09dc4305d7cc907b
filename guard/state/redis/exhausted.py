"""Addresses that are known to be exhausted: so that they are refused before their body is read, and ask nobody.

Why it errs only towards asking: a server said that a cost does not fit before a time, counted here from when it was
asked. Until then nobody else can have put anything back, for what is asked of an address is never given back; and what
others took since makes it later, not earlier. Only the very same meters under the very same rules are taken for it.
"""

import msgspec

from guard.model.names import UnixMs
from guard.model.questions import BucketKey, Charge, Reading, Short

_KNOWN_MAX = 65_536


class _Known(msgspec.Struct, frozen=True):
    asked_at: UnixMs
    until: UnixMs
    readings: tuple[Reading, ...]


class Exhausted:
    """What was short, by the meters that were asked together. The oldest half is forgotten when there is too much."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[tuple[BucketKey, ...], _Known] = {}

    def __len__(self) -> int:
        return len(self._known)

    def learn(self, charge: Charge, short: Short) -> None:
        """The charge was short: until when the next one will be."""
        waits = [each.wait_ms for each in short.readings if each.short and each.vetoes]
        until = max((wait for wait in waits if wait is not None), default=0)
        if not until or None in waits:  # what can never fit says nothing of a smaller cost
            return
        if len(self._known) >= _KNOWN_MAX:  # knockout: known_max
            for key in list(self._known)[: _KNOWN_MAX // 2]:
                del self._known[key]
        key = tuple([debit.bucket for debit in charge.debits])
        self._known[key] = _Known(charge.now, UnixMs(charge.now + until), short.readings)

    def refusal(self, charge: Charge) -> Short | None:
        """The No that the server would say, if that is sure."""
        if not self._known:
            return None
        key = tuple([debit.bucket for debit in charge.debits])
        known = self._known.get(key)
        if known is None:
            return None
        if charge.now >= known.until:  # knockout: exhausted_until
            del self._known[key]
            return None
        if charge.now < known.asked_at:
            return None
        for debit, reading in zip(charge.debits, known.readings, strict=True):
            if debit.limit is not reading.limit or debit.vetoes is not reading.vetoes:
                return None
            if debit.cost < reading.cost or debit.spare < reading.spare:  # knockout: exhausted_for_less
                return None
        passed_ms = charge.now - known.asked_at
        return Short(charge.now, tuple([_later(each, passed_ms) for each in known.readings]))


def _later(reading: Reading, passed_ms: int) -> Reading:
    wait = reading.wait_ms
    if not reading.short or wait is None:
        return reading
    left = max(wait - passed_ms, 0)
    return msgspec.structs.replace(reading, wait_ms=left, next_ms=max(reading.next_ms - passed_ms, 0), short=left > 0)
