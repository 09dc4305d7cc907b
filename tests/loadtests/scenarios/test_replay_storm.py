"""Captured requests, sent again and again."""

from typing import Any
from unittest import mock

import pytest

from loadtests.crowd.keys import LoadKey
from tests.loadtests.locustfile import Answer, Sent, imported, user

KEY = LoadKey("k1", "s3cret", "acme")


def replayer(*answers: Answer) -> Any:
    left = iter(answers)

    def answer(_: Sent) -> Answer:
        return next(left)

    return user("replay_storm", "Replayer", answer)


def test_all_users_of_all_workers_make_the_same_bytes_in_a_slot_and_others_in_the_next() -> None:
    with replayer() as (one, _, _), replayer() as (other, _, _):
        one.key = other.key = KEY
        assert one.captured(3_800_000_000) == other.captured(3_800_000_000)
        assert one.captured(3_800_000_000).nonce != one.captured(3_800_000_001).nonce


def test_a_captured_request_was_signed_at_the_beginning_of_its_slot_with_128_bits_of_nonce() -> None:
    with replayer() as (one, _, _):
        captured = one.captured(3_800_000_000)
    assert captured.fields["Guard-Timestamp"] == "1900000000000"
    assert len(bytes.fromhex(captured.fields["Guard-Nonce"])) == 16


@pytest.mark.parametrize(
    ("now_ms", "nonces"),
    [
        ((1_900_000_000_000, 1_900_000_000_499), [2]),  # one slot, served twice: a replay was accepted
        ((1_900_000_000_499, 1_900_000_000_500), [1, 1]),  # the next slot has a request of its own
    ],
)
def test_how_often_each_was_served_is_counted(now_ms: tuple[int, int], nonces: list[int]) -> None:
    clock = mock.Mock(time_ns=mock.Mock(side_effect=[ms * 1_000_000 for ms in now_ms]))
    with (
        replayer(Answer(200), Answer(200)) as (one, client, tally),
        mock.patch.object(imported("scenarios.replay_storm"), "time", clock),
    ):
        one.copy()
        one.copy()
    assert list(tally.once.values()) == nonces
    assert [answer.failed for answer in client.answers] == ["", ""]


def test_a_copy_that_is_refused_as_a_replay_is_right_and_as_anything_else_is_not() -> None:
    replayed = Answer(401, guard_reason="auth.replayed", guard_sent="no")
    stale = Answer(401, guard_reason="auth.stale", guard_sent="no")
    with replayer(replayed, stale) as (one, _, _):
        one.copy()
        one.copy()
    assert (replayed.failed, stale.failed) == ("", "401 auth.stale, expected 200 or 401 auth.replayed")
