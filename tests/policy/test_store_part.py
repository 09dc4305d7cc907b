"""The shape of `store`, and what it is where nothing is said."""

import pytest
from pydantic import ValidationError

from guard.policy.store_part import StorePart


def test_what_is_left_out_has_its_default() -> None:
    part = StorePart()
    assert (part.timeout, part.on_failure.limits, part.on_failure.bans) == (None, None, "last-known")
    assert (part.on_failure.replay.default, part.on_failure.replay.critical) == ("deny", "local")


def test_one_word_for_replay_is_for_all_routes() -> None:
    part = StorePart.model_validate({"timeout": "20ms", "on_failure": {"replay": "deny"}})
    assert (part.timeout, part.on_failure.replay.default, part.on_failure.replay.critical) == (20, "deny", "deny")


_WRONG = [{"timeout": 20}, {"on_failure": {"bans": "none"}}, {"on_failure": {"replay": "maybe"}}]


@pytest.mark.parametrize("part", _WRONG)
def test_nothing_else_is_taken(part: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        StorePart.model_validate(part)
