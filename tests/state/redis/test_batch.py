"""What waits, and the next flush of it."""

import asyncio
import struct

import msgspec
import pytest

from guard.model.questions import Receipt, Unavailable
from guard.state.redis import batch
from guard.state.redis.batch import CHARGES_MAX, Batch
from guard.state.redis.scripts import ALL, CHARGE, GIVE_BACK
from tests.contract.limit_store import charge, debit

TAG = b"{0}"
GONE = Unavailable("gone")


def future() -> "asyncio.Future[Receipt]":
    return asyncio.get_running_loop().create_future()


async def test_what_was_asked_in_one_turn_travels_together() -> None:
    waiting = Batch(lambda *_: None)
    for name in ("a", "b"):
        assert waiting.ask(TAG, charge(name), future())
    flight = waiting.next()
    assert flight is not None
    [call] = flight.calls
    assert call.script is CHARGE
    assert call.keys == [b"guard:{0}epoch", b"guard:{0}a:acme", b"guard:{0}c:a", b"guard:{0}c:b"]
    assert not waiting
    assert waiting.next() is None


async def test_partitions_are_calls_of_their_own() -> None:
    waiting = Batch(lambda *_: None)
    for tag in (b"{0}", b"{1}", b"{0}"):
        waiting.ask(tag, charge(f"c{tag.decode()}"), future())
    flight = waiting.next()
    assert flight is not None
    assert [call.keys[0] for call in flight.calls] == [b"guard:{0}epoch", b"guard:{1}epoch"]


async def test_no_more_than_sixty_four_travel_and_the_critical_are_first() -> None:
    waiting = Batch(lambda *_: None)
    answers = [future() for _ in range(CHARGES_MAX + 2)]
    for number, answer in enumerate(answers):
        waiting.ask(TAG, msgspec.structs.replace(charge(f"c{number}"), critical=number == CHARGES_MAX + 1), answer)
    first = waiting.next()
    assert first is not None
    first.fail(GONE)
    assert [number for number, answer in enumerate(answers) if not answer.done()] == [CHARGES_MAX - 1, CHARGES_MAX]
    assert waiting


async def test_what_is_given_back_goes_before_what_is_asked() -> None:
    waiting = Batch(lambda *_: None)
    waiting.ask(TAG, charge("b"), future())
    waiting.give_back(TAG, charge("a"), tokens=True)
    flight = waiting.next()
    assert flight is not None
    assert [call.script for call in flight.calls] == [GIVE_BACK, CHARGE]


async def test_a_script_that_was_not_known_is_loaded_and_called_again_alone() -> None:
    waiting = Batch(lambda *_: None)
    waiting.learn(TAG)
    first = waiting.next()
    assert first is not None
    waiting.ask(TAG, charge("a"), future())
    waiting.again(first.calls[0])
    again = waiting.next()
    assert again is not None
    assert (again.calls, again.loads) == ([first.calls[0]], len(ALL))


async def test_too_many_that_wait_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "WAITING_MAX", 2)
    waiting = Batch(lambda *_: None)
    assert [waiting.ask(TAG, charge(f"c{number}"), future()) for number in range(3)] == [True, True, False]


async def test_failing_leaves_nobody_waiting() -> None:
    waiting, answers = Batch(lambda *_: None), [future(), future()]
    waiting.ask(TAG, charge("a"), answers[0])
    waiting.learn(TAG)
    flight = waiting.next()
    assert flight is not None
    waiting.ask(TAG, charge("b"), answers[1])
    waiting.again(flight.calls[1])
    waiting.fail(GONE)
    assert answers[1].result() == GONE
    assert not waiting


async def test_a_question_that_cannot_be_written_leaves_nobody_waiting() -> None:
    waiting, answer = Batch(lambda *_: None), future()
    waiting.ask(TAG, charge("a", *[debit()] * 256), answer)
    with pytest.raises(struct.error):
        waiting.next()
    assert answer.result() == Unavailable("redis: the question could not be written")
