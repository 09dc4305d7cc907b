"""One who is banned, and served again."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest

from loadtests.crowd.shapes import sentence
from tests.loadtests.locustfile import Answer, imported, user

OFFENCE, QUIET, RELEASED = (stage.name for stage in sentence(1, 1000))
BANNED = {"guard_reason": "abuse.ban", "guard_sent": "no"}


@contextmanager
def offender(*answers: Answer, stage: str = OFFENCE) -> Iterator[tuple[Any, Any, Any]]:
    left = iter(answers)
    with (
        user("ban_and_release", "Offender", lambda _: next(left)) as started,
        mock.patch.object(imported("scenarios.ban_and_release"), "stage_name", return_value=stage),
    ):
        yield started


def test_the_offence_ends_with_the_ban_and_while_it_lasts_nothing_may_pass() -> None:
    answers = [Answer(200), Answer(403, **BANNED), Answer(403, **BANNED), Answer(200)]
    with offender(*answers) as (one, client, tally):
        for _ in answers:
            one.order()
    assert [sent.name for sent in client.sent] == ["offence", "offence", "while banned", "while banned"]
    assert [answer.failed for answer in answers] == ["", "", "", "200, expected 403 abuse.ban"]
    assert tally.names["while banned"].unexpected == 1


def test_a_second_after_the_ban_the_offender_is_quiet() -> None:
    with offender(Answer(403, **BANNED)) as (one, client, _):
        one.order()
        one.banned_at_ns -= 1_000_000_000
        one.order()
    assert len(client.sent) == 1


def test_nothing_is_asked_in_the_quiet_part() -> None:
    with offender(stage=QUIET) as (one, client, _):
        one.order()
    assert client.sent == []


@pytest.mark.parametrize(
    ("answer", "failed"), [(Answer(200), ""), (Answer(403, **BANNED), "403 abuse.ban, expected 200")]
)
def test_who_is_released_is_served_like_everybody(answer: Answer, failed: str) -> None:
    with offender(answer, stage=RELEASED) as (one, _, tally):
        one.order()
    assert answer.failed == failed
    assert tally.names["after release"].legit


def test_who_is_released_asks_for_less_than_the_key_may() -> None:
    with offender(Answer(200), Answer(200), stage=RELEASED) as (one, client, _):
        for _ in range(20):
            one.order()
    assert len(client.sent) == 2


def test_the_bystander_is_never_denied() -> None:
    with user("ban_and_release", "Bystander", lambda _: Answer(403, **BANNED)) as (one, client, tally):
        one.order()
    assert client.answers[0].failed == "403 abuse.ban, expected 200"
    assert tally.names["bystander"].legit
