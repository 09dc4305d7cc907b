"""Which keys share a slot: the partitions of a Cluster, and a charge as one question to each that it concerns.

Why partitions and not a hash tag an account: everything of an account must lie in one slot, and each slot must know
since when it remembers, also after it has moved to another server. 256 partitions can each keep that in a key of their
own; as many accounts as there may be could not. An account is in one partition, so what is asked of it is exact and all
or nothing. Meters that belong to no account (an address, a route) may lie in others: they are asked at the same time,
by charges of their own, and what was granted by some while others said no is given back, so that they only err towards
refusing. On one server there is one partition, and every question is exact.
"""

import zlib
from collections.abc import Sequence
from typing import Final

import msgspec

from guard.model.names import AccountId
from guard.model.questions import BucketKey, Charge, Granted, Reading, Receipt, Short, Unavailable
from guard.state.redis.sheet import spelled_out, subject_of

PARTITIONS: Final = 256
ONE: Final = b"{0}"


class Part(msgspec.Struct, frozen=True):
    """What one partition is asked, and where its readings stand among those of the whole."""

    tag: bytes
    charge: Charge
    places: tuple[int, ...]


class Partitions:
    """`count` of them."""

    def __init__(self, count: int) -> None:
        self.tags: tuple[bytes, ...] = tuple(b"{%d}" % number for number in range(count))

    def of_account(self, account: AccountId) -> bytes:
        """The partition of an account."""
        return self.tags[zlib.crc32(account.encode()) % len(self.tags)]

    def parts(self, charge: Charge) -> tuple[Part, ...]:
        """The questions that a charge is: the first is that of its account, or of the first of its meters."""
        places: dict[bytes, list[int]] = {self._home(charge): []}
        for number, debit in enumerate(charge.debits):
            own = charge.account is None or not debit.limit.of_account
            tag = self.of(subject_of(debit)) if own else next(iter(places))
            places.setdefault(tag, []).append(number)
        if len(places) == 1:
            return (Part(next(iter(places)), charge, tuple(range(len(charge.debits)))),)
        return tuple(self._part(charge, number, tag, own) for number, (tag, own) in enumerate(places.items()))

    def of(self, subject: BucketKey) -> bytes:
        """The partition of what belongs to no account."""
        return self.tags[zlib.crc32(spelled_out(subject)) % len(self.tags)]

    def _home(self, charge: Charge) -> bytes:
        if charge.account is not None:
            return self.of_account(charge.account)
        if charge.once is not None:
            return self.of((charge.once.identity[0],))
        return self.of(subject_of(charge.debits[0])) if charge.debits else self.tags[0]

    @staticmethod
    def _part(charge: Charge, number: int, tag: bytes, places: list[int]) -> Part:
        debits = tuple([charge.debits[place] for place in places])
        if number == 0:
            return Part(tag, msgspec.structs.replace(charge, debits=debits), tuple(places))
        apart = msgspec.structs.replace(
            charge, id=f"{charge.id}/{number}", debits=debits, once=None, account=None, key_id=None
        )
        return Part(tag, apart, tuple(places))


def whole(charge: Charge, parts: Sequence[Part], receipts: Sequence[Receipt]) -> Receipt:
    """One answer of many: granted if all are; else the worst, and of what is short all that is known."""
    for receipt in receipts:
        if isinstance(receipt, Unavailable):
            return receipt
    first = receipts[0]
    told = [receipt for receipt in receipts if isinstance(receipt, Granted | Short)]
    if len(told) < len(receipts):
        return first
    readings: dict[int, Reading] = {}
    for part, receipt in zip(parts, told, strict=True):
        readings |= zip(part.places, receipt.readings, strict=True)
    all_readings = tuple(readings[place] for place in range(len(charge.debits)))
    if all(isinstance(receipt, Granted) for receipt in told):
        return Granted(told[0].now, all_readings)
    return Short(told[0].now, all_readings)
