"""What the requests of a run came to, as each worker process counts it, and as all of them together did.

Times are nanoseconds of the machine's monotonic clock, which all processes of one machine share. Locust's own
percentiles are rounded to 1 ms and, above 100 ms, to 10 ms: latencies here are kept to three digits.
"""

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from loadtests.crowd.intents import Intent, label

ERRORS_MAX = 20
_DIGITS = 1000
_US = 1000

Key = TypeVar("Key")


class Exchange(msgspec.Struct, frozen=True):
    """One request and its answer. `status` 0: no answer. `sent` is what guard says of it: did it reach the backend?"""

    intent: Intent
    key_id: str
    nonce: str
    sent_ns: int
    answered_ns: int
    status: int
    reason: str | None = None
    sent: str | None = None

    @property
    def answer(self) -> str:
        """`200`, `429 limit.key`, or `0` where nothing came back."""
        return label(self.status, self.reason)

    @property
    def admitted(self) -> bool:
        """Whether it passed the gateway's judgement, whatever the backend made of it."""
        return self.status != 0 and (self.reason is None or self.sent in {"yes", "unknown"})


class Name(msgspec.Struct):
    """The requests of one name. `latencies_us` counts them by microseconds, rounded down to three digits."""

    asked: int = 0
    unexpected: int = 0
    legit: bool = False
    cancels: bool = False
    denied: int = 0
    answers: dict[str, int] = {}
    latencies_us: dict[int, int] = {}

    def percentile_us(self, percent: int) -> int:
        """The latency that this share of the requests did not exceed; 0 if there was none."""
        wanted, seen = -(-sum(self.latencies_us.values()) * percent // 100), 0
        for latency, count in sorted(self.latencies_us.items()):
            seen += count
            if seen >= wanted:
                return latency
        return 0


class Tally(msgspec.Struct):
    """`admitted` holds (sent, answered) by key and route, `once` how often each of the requests that may be served once
    was. `offered` and `begun` are of the paced users, `errors` of our own code, `strained` counts processes
    that had no CPU left.
    """

    names: dict[str, Name] = {}
    admitted: dict[str, dict[str, list[tuple[int, int]]]] = {}
    once: dict[str, int] = {}
    offered: int = 0
    begun: int = 0
    errors: list[str] = []
    strained: int = 0

    def record(self, exchange: Exchange) -> bool:
        """Counts it. Whether the answer is one that its intent expects."""
        intent, expected = exchange.intent, exchange.answer in exchange.intent.expects
        name = self.names.setdefault(intent.name, Name(legit=intent.legit, cancels=intent.cancels))
        name.asked += 1
        name.unexpected += not expected
        name.denied += not exchange.admitted
        name.answers[exchange.answer] = name.answers.get(exchange.answer, 0) + 1
        latency = _rounded((exchange.answered_ns - exchange.sent_ns) // _US)
        name.latencies_us[latency] = name.latencies_us.get(latency, 0) + 1
        if exchange.admitted:
            routes = self.admitted.setdefault(exchange.key_id, {})
            routes.setdefault(intent.route, []).append((exchange.sent_ns, exchange.answered_ns))
        if intent.once:
            self.once[exchange.nonce] = self.once.get(exchange.nonce, 0) + exchange.admitted
        return expected

    def fail(self, error: str) -> None:
        """Our own code has failed. Only the first ones are kept."""
        if len(self.errors) < ERRORS_MAX:
            self.errors.append(error)


def merged(tallies: Iterable[Tally]) -> Tally:
    """What all workers have seen."""
    total = Tally()
    for tally in tallies:
        for name, seen in tally.names.items():
            total.names[name] = _joined(total.names.get(name, Name()), seen)
        for key_id, routes in tally.admitted.items():
            for route, times in routes.items():
                total.admitted.setdefault(key_id, {}).setdefault(route, []).extend(times)
        total.once = _sum(total.once, tally.once)
        total.offered += tally.offered
        total.begun += tally.begun
        total.errors += tally.errors
        total.strained += tally.strained
    return total


def _joined(one: Name, other: Name) -> Name:
    return Name(
        asked=one.asked + other.asked,
        unexpected=one.unexpected + other.unexpected,
        legit=other.legit,
        cancels=other.cancels,
        denied=one.denied + other.denied,
        answers=_sum(one.answers, other.answers),
        latencies_us=_sum(one.latencies_us, other.latencies_us),
    )


def _sum(one: dict[Key, int], other: dict[Key, int]) -> dict[Key, int]:
    """Zeros are kept, which is why this is no Counter."""
    return {key: one.get(key, 0) + other.get(key, 0) for key in (*one, *other)}


def _rounded(number: int) -> int:
    """The first three digits, and zeros."""
    unit = 1
    while number // unit >= _DIGITS:
        unit *= 10
    return number // unit * unit
