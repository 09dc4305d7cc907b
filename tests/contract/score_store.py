"""What every store of scores does: see `guard/state/protocols.py`."""

from collections.abc import Mapping
from typing import Any

import msgspec

from guard.model.abuse import Distinct, Raised, Ratio, ScoreKind, Sighting, Signal, SubjectKind
from guard.model.names import RequestId, UnixMs
from guard.state.protocols import ScoreStore
from tests.build import NOW, abuse, signal

_POLICY = abuse(half_life_ms=64_000)


def sighting(of: Signal | None = None, *names: str, **changes: Any) -> Sighting:
    """One of an address, unless names are given."""
    fields: Mapping[str, Any] = {
        "service": "exchange",
        "policy": _POLICY,
        "signal": of or signal(),
        "score": ScoreKind.REAL,
        "names": names or ("192.0.2.1", "192.0.2.0/24", "192.0.0.0/16", "192.0.0.0/8"),
        "request_id": RequestId("req_1"),
    }
    return Sighting(**{**fields, **changes})


async def one(store: ScoreStore, seen: Sighting, after_ms: int = 0) -> Raised | None:
    """What comes of one sighting."""
    found = await store.score((seen,), UnixMs(NOW + after_ms))
    return found[0] if found else None


async def points(store: ScoreStore, seen: Sighting, after_ms: int = 0) -> int | None:
    """The score that follows, None where no signal fired."""
    raised = await one(store, seen, after_ms)
    return None if raised is None else raised.points


class ScoreStoreContract:
    """Each store's tests have a fixture `scores` that makes one."""

    async def test_each_event_raises_the_score_by_its_points(self, scores: ScoreStore) -> None:
        assert [await points(scores, sighting()) for _ in range(3)] == [20, 40, 60]

    async def test_a_score_has_halved_after_its_half_life(self, scores: ScoreStore) -> None:
        assert await points(scores, sighting(signal(points=100))) == 100
        assert await points(scores, sighting(signal(points=1)), 64_000) == 51

    async def test_a_signal_that_needs_several_fires_with_the_last_of_them(self, scores: ScoreStore) -> None:
        seen = sighting(signal(at_least=3, over_ms=10_000))
        assert [await points(scores, seen) for _ in range(7)] == [None, None, 20, None, None, 40, None]

    async def test_a_ratio_is_exceeded_by_events_that_are_too_many_for_their_counterparts(
        self, scores: ScoreStore
    ) -> None:
        events = signal(at_least=2, over_ms=10_000, ratio=Ratio(3, 1))
        counterparts = msgspec.structs.replace(events, is_counterpart=True)
        assert await points(scores, sighting(counterparts, amount=2)) is None
        assert [await points(scores, sighting(events)) for _ in range(7)] == [*[None] * 6, 20]
        assert [await points(scores, sighting(events)) for _ in range(2)] == [None, 40]  # both sides began anew

    async def test_counterparts_are_of_one_subject_alone_and_of_their_time(self, scores: ScoreStore) -> None:
        events = signal(at_least=2, over_ms=10_000, ratio=Ratio(3, 1))
        counterparts = msgspec.structs.replace(events, is_counterpart=True)
        await points(scores, sighting(counterparts, "192.0.2.2", amount=9))
        await points(scores, sighting(counterparts, amount=9))
        assert [await points(scores, sighting(events), 30_000) for _ in range(2)] == [None, 20]

    async def test_different_values_are_counted_apart(self, scores: ScoreStore) -> None:
        asked = signal(at_least=2, over_ms=10_000, distinct=Distinct.KEY)
        told = [await points(scores, sighting(asked, value=value)) for value in ("a", "a", "b")]
        assert told == [None, None, 20]

    async def test_values_older_than_asked_for_do_not_count(self, scores: ScoreStore) -> None:
        asked = signal(at_least=2, over_ms=10_000, distinct=Distinct.KEY)
        assert await points(scores, sighting(asked, value="a")) is None
        assert await points(scores, sighting(asked, value="b"), 10_000) is None

    async def test_subjects_services_and_kinds_of_score_are_apart(self, scores: ScoreStore) -> None:
        await points(scores, sighting())
        for other in (
            sighting(None, "192.0.2.2", "192.0.2.0/24"),
            sighting(signal(per=SubjectKind.KEY), "192.0.2.1"),
            sighting(service="other"),
            sighting(score=ScoreKind.TRIAL),
        ):
            assert await points(scores, other) == 20

    async def test_signals_of_one_subject_add_up_and_are_told_apart(self, scores: ScoreStore) -> None:
        await points(scores, sighting(request_id=RequestId("req_a")))
        raised = await one(scores, sighting(signal("forgery", points=5), request_id=RequestId("req_b")))
        assert raised is not None
        assert raised.points == 25
        assert raised.evidence.signals == {"replay": 1, "forgery": 1}
        assert raised.evidence.requests == ("req_a", "req_b")

    async def test_the_last_eight_requests_are_kept(self, scores: ScoreStore) -> None:
        for number in range(10):
            raised = await one(scores, sighting(request_id=RequestId(f"req_{number}")))
        assert raised is not None
        assert raised.evidence.requests == tuple(f"req_{number}" for number in range(2, 10))
        assert raised.evidence.signals == {"replay": 10}

    async def test_no_score_grows_without_end(self, scores: ScoreStore) -> None:
        for _ in range(11):
            last = await points(scores, sighting(signal(points=1000)))
        assert last == 10_000

    async def test_what_was_lifted_begins_anew(self, scores: ScoreStore) -> None:
        asked = signal(at_least=2, over_ms=10_000)
        values = signal("values", at_least=2, over_ms=10_000, distinct=Distinct.KEY)
        await points(scores, sighting(asked))
        await points(scores, sighting(values, value="a"))
        await points(scores, sighting(), 1)
        await points(scores, sighting(service="other"), 1)
        assert await scores.forget(SubjectKind.IP, "192.0.2.1", UnixMs(NOW + 2))
        assert await points(scores, sighting(asked), 3) is None
        assert await points(scores, sighting(values, value="b"), 3) is None
        assert await points(scores, sighting(), 4) == 20
        assert await points(scores, sighting(service="other"), 4) == 20

    async def test_what_began_after_something_was_lifted_is_not_forgotten_for_it(self, scores: ScoreStore) -> None:
        for _ in range(2):
            await points(scores, sighting(), 3)
            assert await scores.forget(SubjectKind.IP, "192.0.2.1", UnixMs(NOW + 2))
        assert await points(scores, sighting(), 3) == 60

    async def test_lifting_touches_nobody_else(self, scores: ScoreStore) -> None:
        await points(scores, sighting())
        await points(scores, sighting(None, "192.0.2.2", "192.0.2.0/24"))
        assert await scores.forget(SubjectKind.IP, "192.0.2.2", NOW)
        assert await scores.forget(SubjectKind.KEY, "192.0.2.1", NOW)
        assert await points(scores, sighting()) == 40

    async def test_what_has_decayed_is_as_if_it_had_never_been(self, scores: ScoreStore) -> None:
        await points(scores, sighting(signal(points=1000)))
        raised = await one(scores, sighting(), 14 * 64_000)
        assert raised is not None
        assert (raised.points, raised.evidence.signals) == (20, {"replay": 1})

    async def test_a_signal_whose_way_of_counting_changed_counts_anew(self, scores: ScoreStore) -> None:
        events = sighting(signal(at_least=2, over_ms=1_000))
        values = [sighting(signal(at_least=2, over_ms=1_000, distinct=Distinct.KEY), value=value) for value in "abc"]
        beside = sighting(signal(at_least=2, over_ms=1_000, ratio=Ratio(1, 1)))
        counted = (events, values[0], events, beside, events, values[1], beside, values[1], values[2])
        assert [await points(scores, each) for each in counted] == [*[None] * 8, 20]

    async def test_events_of_the_window_before_count_by_how_much_of_it_is_still_near(self, scores: ScoreStore) -> None:
        began = NOW // 10_000 * 10_000 + 10_000 - NOW
        seen = sighting(signal(at_least=4, over_ms=10_000))
        for _ in range(3):
            assert await points(scores, seen, began + 9_999) is None
        told = [await points(scores, seen, began + 15_000) for _ in range(2)]
        assert told == [None, 20]  # 1.5 of the 3, and these two

    async def test_many_subjects_in_one_call_are_each_counted_once(self, scores: ScoreStore) -> None:
        many = tuple(sighting(None, f"192.0.{last % 50}.1", "192.0.0.0/8") for last in range(150))
        found = await scores.score(many, NOW)
        assert [raised.points for raised in found] == [20] * 50 + [40] * 50 + [60] * 50
        assert [raised.name for raised in found] == [seen.names[0] for seen in many]

    async def test_many_are_answered_in_their_order(self, scores: ScoreStore) -> None:
        many = (sighting(), sighting(signal(at_least=9, over_ms=1_000)), sighting(signal("forgery", points=5)))
        found = await scores.score(many, NOW)
        assert [(raised.sighting.signal.name, raised.points) for raised in found] == [("replay", 20), ("forgery", 25)]
        assert found[0].name == "192.0.2.1"

    async def test_a_rule_that_was_edited_counts_on(self, scores: ScoreStore) -> None:
        await points(scores, sighting())
        edited = msgspec.structs.replace(_POLICY, half_life_ms=128_000)
        assert await points(scores, sighting(signal(points=7), policy=edited)) == 27
