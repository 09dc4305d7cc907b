"""Scores in memory and in Redis are alike: random sightings and lifts, step by step, also where the tables are full."""

from typing import TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guard.model.abuse import Distinct, Ratio, ScoreKind, Sighting, SubjectKind
from guard.model.names import RequestId, UnixMs
from guard.state.scores import MemoryScores
from tests.build import NOW, abuse, signal
from tests.contract.score_store import sighting
from tests.state.redis.timed import TimedScores, flushed

pytestmark = pytest.mark.system

Step: TypeAlias = tuple[int, list[Sighting] | tuple[str, int]]
"""How much later what is seen, or whom somebody lifts, and how much before."""

_RATIO = Ratio(3, 2)
_SIGNALS = (
    signal("often", points=1000),
    signal("often", points=7),
    signal("several", points=20, at_least=3, over_ms=10_000),
    signal("many", points=30, at_least=5, over_ms=700),
    signal("values", points=40, at_least=3, over_ms=10_000, distinct=Distinct.KEY),
    signal("values", points=40, at_least=2, over_ms=3_000_000),
    signal("values", points=10, at_least=2, over_ms=10_000, ratio=_RATIO),
    signal("ratio", points=50, at_least=2, over_ms=10_000, ratio=_RATIO),
    signal("ratio", points=50, at_least=2, over_ms=10_000, ratio=_RATIO, is_counterpart=True),
)
_NAMES = tuple(
    (f"192.0.{third}.{last}", f"192.0.{third}.0/24", "192.0.0.0/16", "192.0.0.0/8") for third in "12" for last in "123"
)
_LIFTS = st.tuples(st.sampled_from(("192.0.1.1", "192.0.1.2", "192.0.1.0/24")), st.sampled_from((0, 500, 70_000)))
_LATER = st.sampled_from((0, 0, 1, 300, 999, 9_000, 64_000, 700_000, 9_000_000))


def _histories(half_lives: tuple[int, ...], services: tuple[str, ...]) -> st.SearchStrategy[list[Step]]:
    seen = st.builds(
        lambda of, names, half_life, value, service, score, amount: sighting(
            of,
            *names,
            policy=abuse(half_life_ms=half_life),
            value=value,
            service=service,
            score=score,
            request_id=RequestId(f"req_{value}"),
            amount=amount,
        ),
        st.sampled_from(_SIGNALS),
        st.sampled_from(_NAMES),
        st.sampled_from(half_lives),
        st.sampled_from("abcd"),
        st.sampled_from(services),
        st.sampled_from((ScoreKind.REAL, *([ScoreKind.TRIAL] * (len(services) - 1)))),
        st.sampled_from((1, 2, 1_000_000)),
    )
    steps = st.tuples(_LATER, st.one_of(*[st.lists(seen, min_size=1, max_size=6)] * 5, _LIFTS))
    return st.lists(steps, min_size=5, max_size=40)


# A full table drops what is over in the order in which it was touched in memory, and in that of its end in Redis: those
# are the same where all is forgotten after the same time, and there is one entry a name.
_ROOMY = st.tuples(_histories((64_000, 600_000, 100), ("exchange", "other")), st.just(1000))
_FULL = st.tuples(_histories((600_000,), ("exchange",)), st.sampled_from((1, 4, 16)))


class TestScoresAlike:
    @pytest.fixture(autouse=True)
    def _server(self, redis_url: str) -> None:
        self.url = redis_url

    @given(_ROOMY | _FULL)
    @settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
    async def test_both_stores_answer_alike(self, case: tuple[list[Step], int]) -> None:
        history, room = case
        memory, shared = MemoryScores(addresses_max=room), await TimedScores.open(flushed(self.url), room)
        now = int(NOW)
        try:
            for number, (later_ms, what) in enumerate(history):
                now += later_ms
                if isinstance(what, tuple):
                    name, before_ms = what
                    for store in (memory, shared):
                        assert await store.forget(SubjectKind.IP, name, UnixMs(now - before_ms))
                else:
                    seen = tuple(what)
                    mine, theirs = await memory.score(seen, UnixMs(now)), await shared.score(seen, UnixMs(now))
                    assert theirs == mine, f"step {number}"
            assert shared.lost == 0
        finally:
            await shared.close()
