"""What a run measures: how often orders were executed, how many, when, and how their clients were answered."""

from collections import Counter
from collections.abc import Sequence

import msgspec

from tests.faults.ledger import Ledger
from tests.faults.traffic import NO_ANSWER, Sending
from tests.soak.verdict import Check, at_least, at_most, none

_BY_GUARD = frozenset({200, 401, 403, 429, 502, 503, 504, NO_ANSWER})


class Span(msgspec.Struct, frozen=True):
    """A time on the monotonic clock."""

    begun_ns: int
    ended_ns: int

    @property
    def seconds(self) -> float:
        return (self.ended_ns - self.begun_ns) / 1e9


def at_most_once(ledger: Ledger) -> Check:
    """I2: a signed request reaches the backend at most once."""
    return none("orders executed more than once", len(ledger.more_than_once))


def truly_told(ledger: Ledger, sendings: Sequence[Sending]) -> tuple[Check, ...]:
    """What clients were told of their orders agrees with the ledger."""
    times = ledger.times
    served = Counter(each.mark for each in sendings if each.status == 200)
    never = {each.mark for each in sendings} - {each.mark for each in sendings if each.sent != "no"}
    return (
        none("orders answered 200, and not executed", sum(not times[mark] for mark in served)),
        none("orders answered 200 twice", sum(answers > 1 for answers in served.values())),
        none("orders told not to be sent, and executed", sum(bool(times[mark]) for mark in never)),
    )


def only_answers_of_guard(sendings: Sequence[Sending]) -> Check:
    """I6: no input and no failure gives a 500."""
    return none("answers of another status", sum(each.status not in _BY_GUARD for each in sendings))


def never_new_and_replayed(sendings: Sequence[Sending]) -> Check:
    """Whoever sends something for the first time is not told that it was there before."""
    seen: set[str] = set()
    mistaken = 0
    for each in sendings:
        mistaken += each.mark not in seen and each.reason == "auth.replayed"
        seen.add(each.mark)
    return none("new orders told to be replayed", mistaken)


def admitted(executed: int, *, burst: int, rate: int, seconds: float) -> Check:
    """Not one more than the bucket gives out in this time."""
    return at_most(f"executed, of {burst} + {rate}/s x {seconds:.2f} s", executed, burst + int(rate * seconds))


def never_beyond(ledger: Ledger, *, burst: int, rate: int, under_way: int) -> Check:
    """The same for every stretch of time, but for so many that may have been admitted earlier than they were executed.

    What runs empty at the bucket's rate and gains one with each execution never holds more than the bucket.
    """
    level = peak = 0.0
    before_ns = 0
    for each in ledger.executed:
        level = max(0.0, level - rate * (each.at_ns - before_ns) / 1e9) + 1
        peak, before_ns = max(peak, level), each.at_ns
    return at_most(f"executed at any time, of {burst} and {under_way} under way", round(peak, 1), burst + under_way)


def under_demand(ledger: Ledger, calm: Sequence[Span], rate: int, share: float = 0.99) -> Check:
    """While nothing fails, what the bucket refills is given out."""
    executed = sum(ledger.between(span.begun_ns, span.ended_ns) for span in calm)
    filled = rate * sum(span.seconds for span in calm)
    return at_least("executed in calm, of what refills", round(executed / filled, 4) if filled else 0.0, share)


def outcomes(sendings: Sequence[Sending]) -> str:
    """How often each answer was given."""
    told = Counter(f"{each.status} {each.reason}".strip() for each in sendings)
    return ", ".join(f"{answer}: {times}" for answer, times in told.most_common())
