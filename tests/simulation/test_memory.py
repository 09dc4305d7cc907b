"""Thousands of random charges on a virtual clock, beside a naive store in fractions that forgets nothing.

A failure names its seed and step, and SEEDS replays it. The naive store is written from the words of `LimitStore`.
"""

import random
from fractions import Fraction

import pytest

from guard.model.names import UnixMs
from guard.model.policy import Bucket, Calendar, Limit, Slots
from guard.model.questions import BucketKey, Charge, Debit, Granted, Once, Receipt, Short
from guard.state.memory import MemoryLimits
from tests.contract.limit_store import BORN, debit, limit, metered

SEEDS = (9421, 1, 20_261_122, 777)
STEPS = 4_000
FUTURE_MS = 1_000
LIMITS = (
    *(
        limit(capacity, refill, period, name=f"l{number}")
        for number, (capacity, refill, period) in enumerate(((5, 1, 700), (20, 3, 1_000), (1, 1, 3_000), (100, 7, 60)))
    ),
    metered(Calendar(7, 7_000), "quota"),
    metered(Slots(2), "slots"),
)


class Naive:
    """Every meter ever seen, buckets in fractions; every identity ever seen, with its window."""

    def __init__(self) -> None:
        self.now = int(BORN)
        self.buckets: dict[BucketKey, tuple[Fraction, int]] = {}
        self.spent: dict[BucketKey, list[tuple[int, str, int]]] = {}
        self.leases: dict[BucketKey, dict[str, int]] = {}
        self.seen: dict[tuple[str, str, bytes], Once] = {}
        self.granted: dict[str, list[Debit]] = {}

    def tokens(self, key: BucketKey, of: Limit) -> Fraction:
        match of.meter:
            case Bucket() as bucket:
                tokens, since = self.buckets.get(key, (Fraction(0), int(BORN)))
                refill = Fraction((self.now - since) * bucket.refill_tokens, bucket.period_ms)
                return min(Fraction(bucket.capacity), tokens + refill)
            case Calendar() as quota:
                begin = self.now - self.now % quota.period_ms
                known_ms = quota.period_ms if begin >= BORN else self.now - BORN
                gone = sum(cost for at, _, cost in self.spent.get(key, ()) if at >= begin)
                return Fraction(max(quota.tokens * known_ms // quota.period_ms - gone, 0))
            case Slots() as slots:
                return Fraction(slots.count - sum(end > self.now for end in self.leases.get(key, {}).values()))

    def charge(self, asked: Charge) -> str:
        self.now = max(self.now, asked.now)
        message = asked.once
        if message is not None:
            if message.signed_at - message.future_ms <= BORN:
                return "BeforeEpoch"
            first = self.seen.get(message.identity)
            if first is not None and self.now <= first.forget_after:
                both = first.repeatable and message.repeatable and first.binding == message.binding
                if not both:
                    return "Replayed"
                message = None
        fits = self.take([each for each in asked.debits if each.vetoes], asked)
        if fits:
            shadows = [each for each in asked.debits if not each.vetoes]
            taken = [each for each in shadows if self.take([each], asked)]
            self.granted[asked.id] = [each for each in asked.debits if each.vetoes] + taken
        if message is not None and (fits or message.burns):
            self.seen[message.identity] = message
        return "Granted" if fits else "Short"

    def take(self, debits: list[Debit], asked: Charge) -> bool:
        wanted: dict[BucketKey, int] = {}
        for each in debits:
            slots = isinstance(each.limit.meter, Slots)
            already = self.now < self.leases.get(each.bucket, {}).get(asked.id, 0)
            wanted[each.bucket] = int(not already) if slots else wanted.get(each.bucket, 0) + each.cost
        room = {each.bucket: self.tokens(each.bucket, each.limit) for each in debits}
        if any(wanted[key] > room[key] for key in wanted):
            return False
        for each in debits:
            match each.limit.meter:
                case Bucket():
                    self.buckets[each.bucket] = (room[each.bucket] - wanted[each.bucket], self.now)
                case Calendar():
                    self.spent.setdefault(each.bucket, []).append((self.now, asked.id, each.cost))
                case Slots():
                    self.leases.setdefault(each.bucket, {})[asked.id] = self.now + asked.hold_ms
        return True

    def refund(self, asked: Charge) -> None:
        for each in self.granted.pop(asked.id, []):
            if isinstance(each.limit.meter, Bucket):
                filled = self.tokens(each.bucket, each.limit) + each.cost
                self.buckets[each.bucket] = (min(Fraction(each.limit.meter.capacity), filled), self.now)
        for key, spent in self.spent.items():
            self.spent[key] = [one for one in spent if one[1] != asked.id]
        self.release(asked)

    def release(self, asked: Charge) -> None:
        for holders in self.leases.values():
            holders.pop(asked.id, None)


def random_charge(chance: random.Random, number: int, now: int) -> Charge:
    debits = []
    for _ in range(chance.randrange(4)):
        of = chance.choice(LIMITS)
        cost = chance.choice((0, 1, 1, 1, 2, 5, 30))
        debits.append(debit(cost, of, ("exchange", of.name, f"k{chance.randrange(6)}"), vetoes=chance.random() < 0.8))
    message = None
    if chance.random() < 0.7:
        message = Once(
            identity=(f"k{chance.randrange(2)}", "s", b"%d" % chance.randrange(40)),
            binding=chance.choice((b"read", b"read", b"write")),
            repeatable=chance.random() < 0.6,
            burns=chance.random() < 0.5,
            signed_at=UnixMs(now - chance.randrange(4_000)),
            future_ms=FUTURE_MS,
            forget_after=UnixMs(now + chance.randrange(8_000)),
        )
    hold_ms = chance.choice((500, 2_000)) if any(isinstance(each.limit.meter, Slots) for each in debits) else 0
    return Charge(id=f"c{number}", now=UnixMs(now), once=message, debits=tuple(debits), hold_ms=hold_ms)


def told(store: Naive, asked: Charge, answer: Receipt) -> None:
    """What the receipt says of each bucket that is named once must be what the naive store holds."""
    if isinstance(answer, Granted | Short):
        named = [each.bucket for each in asked.debits]
        for each, reading in zip(asked.debits, answer.readings, strict=True):
            if named.count(each.bucket) == 1:
                assert reading.remaining == int(store.tokens(each.bucket, each.limit))


@pytest.mark.parametrize("seed", SEEDS)
async def test_random_history_is_answered_as_by_a_naive_store_that_forgets_nothing(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  # a simulation
    store, naive, now, past = MemoryLimits(BORN), Naive(), int(BORN), []
    answers = dict.fromkeys(("Granted", "Short", "Replayed", "BeforeEpoch"), 0)
    for number in range(STEPS):
        now += chance.choice((0, 0, 0, 1, 7, 20, 90, 400, -30, -300)) if number % 500 < 499 else 60_000
        asked = random_charge(chance, number, now)
        answer = await store.charge(asked)
        expected = naive.charge(asked)
        assert type(answer).__name__ == expected, f"seed {seed}, step {number}: {asked}"
        told(naive, asked, answer)
        answers[expected] += 1
        past.append(asked)
        if chance.random() < 0.1:
            undone = chance.choice(past[-50:])
            await store.refund(undone)
            naive.refund(undone)
        if chance.random() < 0.1:  # the others crash, or their leases run out first
            over = chance.choice(past[-20:])
            await store.release(over)
            naive.release(over)
    assert min(answers.values()) >= 5, f"seed {seed} asks too little: {answers}"
