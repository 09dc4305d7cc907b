"""What waits to be sent to one server, and the next flush of it: all that was asked in one turn of the event loop, at
most 64 charges, critical ones first. Nothing here writes or waits.

What is given back goes before what is asked in the same flush, because a charge is answered before anything of it is
given back, and whoever comes next may need it.
"""

import time
from asyncio import Future
from collections import deque

from guard.model.questions import Charge, Receipt, Unavailable
from guard.state.redis.calls import Asked, Call, Heard, charging, giving_back
from guard.state.redis.flight import Flight
from guard.state.redis.scripts import ALL
from guard.state.redis.sheet import Sheet, Spelling

CHARGES_MAX = 64
WAITING_MAX = 8192

CROWDED = Unavailable("redis: too many wait")
_BROKEN = Unavailable("redis: the question could not be written")


class Batch:
    """`heard` is told of each answer before those who wait for it."""

    def __init__(self, heard: Heard) -> None:
        self.spelling = Spelling()
        self._heard = heard
        self._asked: list[Asked] = []
        self._given_back: deque[tuple[bytes, Charge, bool]] = deque(maxlen=WAITING_MAX)
        self._calls: list[Call] = []
        self._unknown: list[Call] = []

    def __bool__(self) -> bool:
        return bool(self._asked or self._given_back or self._calls or self._unknown)

    def ask(self, tag: bytes, charge: Charge, answer: "Future[Receipt]", *, repaid: bool = False) -> bool:
        """Whether there is room for one more that waits."""
        if len(self._asked) >= WAITING_MAX:  # knockout: waiting_max
            return False
        self._asked.append(Asked(tag, charge, answer, time.monotonic(), repaid))
        return True

    def give_back(self, tag: bytes, charge: Charge, *, tokens: bool) -> None:
        """Give back; the oldest that waits is forgotten where too many do."""
        self._given_back.append((tag, charge, tokens))

    def learn(self, tag: bytes) -> None:
        """Ask for nothing but the epoch."""
        self._calls.append(charging(Sheet(tag, self.spelling), (), self._heard))

    def call(self, call: Call) -> None:
        """Something else."""
        self._calls.append(call)

    def again(self, call: Call) -> None:
        """The server did not know the script, so it has done nothing."""
        self._unknown.append(call)

    def next(self) -> Flight | None:
        """What waits, as one flush."""
        now = time.monotonic()
        if self._unknown:
            unknown, self._unknown = self._unknown, []
            return Flight(unknown, now, loads=len(ALL))
        asked = self._asked
        if len(asked) > CHARGES_MAX:  # knockout: critical_first
            asked.sort(key=lambda each: not each.charge.critical)
        asked, self._asked = asked[:CHARGES_MAX], asked[CHARGES_MAX:]
        try:
            calls = [*self._giving(), *self._calls, *self._charging(asked)]
        except BaseException:
            for each in asked:  # a bug of ours leaves nobody waiting
                each.told(_BROKEN)
            raise
        self._calls = []
        return Flight(calls, asked[0].at if asked else now) if calls else None

    def fail(self, why: Unavailable) -> None:
        """Nobody waits any longer. What is to be given back stays."""
        for each in self._asked:
            each.told(why)
        for call in (*self._calls, *self._unknown):
            call.failed(why)
        self._asked, self._calls, self._unknown = [], [], []

    def _charging(self, asked: list[Asked]) -> list[Call]:
        by_tag: dict[bytes, list[Asked]] = {}
        for each in asked:
            by_tag.setdefault(each.tag, []).append(each)
        calls = []
        for tag, those in by_tag.items():
            sheet = Sheet(tag, self.spelling)
            for each in those:
                sheet.ask(each.charge, repaid=each.repaid)
            calls.append(charging(sheet, those, self._heard))
        return calls

    def _giving(self) -> list[Call]:
        sheets: dict[bytes, Sheet] = {}
        for _ in range(min(len(self._given_back), CHARGES_MAX)):
            tag, charge, tokens = self._given_back.popleft()
            sheets.setdefault(tag, Sheet(tag, self.spelling)).give_back(charge, tokens=tokens)
        return [giving_back(sheet) for sheet in sheets.values()]
