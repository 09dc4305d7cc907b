"""One script call each: what is written for it, and who hears what came of it. Nothing here writes or waits."""

import struct
from asyncio import Future
from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from guard.model.names import AccountId, UnixMs
from guard.model.questions import Charge, Receipt, Unavailable
from guard.state.redis.command import call
from guard.state.redis.scripts import BURY, CHARGE, CLOCK, GIVE_BACK, Script
from guard.state.redis.sheet import NONSENSE, Sheet, account_key, epoch_key, receipts

Heard: TypeAlias = Callable[[UnixMs, Sequence[Charge], Sequence[Receipt]], None]
"""Hears what a server says of its epoch, and of each charge."""

_TIME = struct.Struct("<d")


class Asked(msgspec.Struct, gc=False):
    """A charge that waits, in which partition, who waits for it, and since when (monotonic seconds)."""

    tag: bytes
    charge: Charge
    answer: "Future[Receipt]"
    at: float
    repaid: bool = False

    def told(self, receipt: Receipt) -> None:
        """Answer, if anybody still waits."""
        if not self.answer.done():
            self.answer.set_result(receipt)


class Call(msgspec.Struct):
    """A script, its keys, and its arguments from the fourth on. `answered` takes the reply, `failed` why there is none.

    `answered` raises struct.error or msgspec.DecodeError for a reply that is none of the script's.
    """

    script: Script
    keys: Sequence[bytes]
    words: tuple[bytes, ...]
    answered: Callable[[bytes], None]
    failed: Callable[[Unavailable], None]

    def written(self, clock: bytes, run: bytes, latest: UnixMs) -> bytes:
        """The command. `clock` is empty but in tests; `latest` is the latest time that a server told."""
        return call(self.script.sha, self.keys, (clock, run, b"%d" % latest, *self.words))

    def settle(self, reply: object) -> None:
        """Take what the server replied; what it cannot have meant is a failure."""
        if not isinstance(reply, bytes):
            self.failed(Unavailable(f"redis: {reply}"))
            return
        try:
            self.answered(reply)
        except (struct.error, msgspec.DecodeError):
            self.failed(NONSENSE)


def charging(sheet: Sheet, asked: Sequence[Asked], heard: Heard) -> Call:
    """Ask and spend. `heard` is told first, then those who wait."""

    def answered(reply: bytes) -> None:
        epoch, read = receipts(sheet.charges, reply)
        heard(epoch, sheet.charges, read)
        for each, receipt in zip(asked, read, strict=True):
            each.told(receipt)

    def failed(why: Unavailable) -> None:
        for each in asked:
            each.told(why)

    return Call(CHARGE, sheet.keys, (sheet.text,), answered, failed)


def giving_back(sheet: Sheet) -> Call:
    """Give back. Nobody waits: what is lost has cost once."""
    return Call(GIVE_BACK, sheet.keys, (sheet.text,), _ignored, _ignored)


def burying(tag: bytes, account: AccountId, tomb: bytes, until: UnixMs, done: "Future[bool]") -> Call:
    """Set a tombstone. `done` is whether it stands."""

    def answered(_: bytes) -> None:
        if not done.done():
            done.set_result(True)

    def failed(_: Unavailable) -> None:
        if not done.done():
            done.set_result(False)

    return Call(BURY, (epoch_key(tag), account_key(tag, account)), (tomb, b"%d" % until), answered, failed)


def reading_clock(tag: bytes, heard: Callable[[UnixMs], object]) -> Call:
    """What time it is there. Nobody waits: an answer that does not come tells nothing."""

    def answered(reply: bytes) -> None:
        heard(UnixMs(int(_TIME.unpack(reply)[0])))

    return Call(CLOCK, (epoch_key(tag),), (), answered, _ignored)


def _ignored(_: object) -> None:
    pass
