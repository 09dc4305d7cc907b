"""The store in memory and the one in Redis answer alike: random charges, refunds and releases, step by step.

Of what they may answer differently nothing is drawn: of a message that may repeat only the last can be given back in
Redis; a receipt can be asked for again as long as its message is remembered, in memory as long as there is room; and
each forgets at its own time what is full, so that a rule that changes then finds it full by the new one.
"""

from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guard.model.names import UnixMs
from guard.model.policy import Bucket, Calendar, Limit, Slots
from guard.model.questions import Charge, Debit, Granted
from guard.state.memory import MemoryLimits
from tests.contract.limit_store import BORN, charge, debit, metered, once
from tests.state.redis.timed import TimedRedis, flushed

pytestmark = pytest.mark.system

HOUR_MS = 3_600_000

Step: TypeAlias = tuple[str, int, list[Debit], tuple[int, bool, bool, bytes] | None, int]
"""What is done, how much later, what is taken, of which message (nonce, repeatable, burns, binding), and the hold."""

LIMITS: tuple[Limit, ...] = (
    *(metered(Bucket(*numbers), "bucket") for numbers in ((5, 1, 700), (20, 3, 1_000), (7, 7, 60), (3, 1, 3_000_000))),
    metered(Bucket(10_000_000, 10_000_000, 86_400_000), "large"),
    *(metered(Calendar(*numbers), "quota") for numbers in ((9, HOUR_MS), (12, 24 * HOUR_MS))),
    *(metered(Slots(count), "slots") for count in (1, 3)),
)

debits = st.builds(
    lambda of, cost, who, vetoes, spare: debit(
        1 if isinstance(of.meter, Slots) else cost,
        of,
        ("exchange", f"{of.name}{LIMITS.index(of)}", who),
        vetoes=vetoes,
        spare=spare,
    ),
    st.sampled_from(LIMITS),
    st.sampled_from((0, 1, 1, 2, 5, 30)),
    st.sampled_from(("k1", "k2")),
    st.sampled_from((True, True, False)),
    st.sampled_from((0, 0, 1, 2, 7)),
)
steps = st.tuples(
    st.sampled_from(("charge", "charge", "charge", "again", "refund", "settle", "release")),
    st.sampled_from((0, 0, 1, 20, 90, 400, 3_000, 60_000, HOUR_MS)),
    st.lists(debits, max_size=4),
    st.none() | st.tuples(st.integers(0, 9), st.booleans(), st.booleans(), st.sampled_from((b"read", b"write"))),
    st.sampled_from((0, 0, 500, 5_000)),
)


def _charge(number: int, now: int, step: Step) -> Charge:
    _, _, taken, message, hold = step
    said = None
    if message is not None:
        nonce, repeatable, burns, binding = message
        said = once(
            b"%d" % nonce,
            repeatable=repeatable,
            burns=burns,
            binding=binding,
            signed_at=now,
            forget_after=now + 1_000_000_000,
        )
    return charge(f"c{number}", *taken, now=now, message=said, hold_ms=hold)


class TestAlike:
    @pytest.fixture(autouse=True)
    def _server(self, redis_url: str) -> None:
        self.url = redis_url

    @given(st.lists(steps, min_size=5, max_size=40))
    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
    async def test_both_stores_answer_alike(self, history: list[Step]) -> None:
        memory, shared = MemoryLimits(BORN), await TimedRedis.open(flushed(self.url), BORN)
        now, past = int(BORN) + 50_000, list[Charge]()
        try:
            for number, step in enumerate(history):
                what, now = step[0], now + step[1]
                asked = _charge(number, now, step)
                if what == "charge" or not past:
                    mine, theirs = await memory.charge(asked), await shared.charge(asked)
                    assert theirs == mine, f"step {number}: {asked}"
                    if isinstance(mine, Granted) and not (asked.once and asked.once.repeatable):
                        past.append(asked)
                elif what == "again":
                    assert await shared.charge(past[-1]) == await memory.charge(past[-1])
                elif what == "refund":
                    undone = past.pop()
                    await memory.refund(undone)
                    await shared.refund(undone)
                elif what == "settle":
                    found = past.pop()
                    costs = tuple((debit.cost * 7 + number) % 11 for debit in found.debits)
                    await memory.settle(found, costs)
                    await shared.settle(found, costs)
                else:
                    await memory.release(past[-1])
                    await shared.release(past[-1])
            assert shared.born_at == memory.born_at == UnixMs(BORN)
        finally:
            await shared.close()
