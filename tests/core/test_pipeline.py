"""The pipeline, not the check, decides whether a Deny ends the line."""

from msgspec.structs import replace

from guard.core import pipeline
from guard.model.decision import Deny
from guard.model.rules import Mode
from tests.build import rule


def _holds(_stage: str) -> Deny | None:
    return None


def _denies(mode: Mode | None) -> Deny:
    return Deny(code="authz.scope", rule=None if mode is None else rule(mode=mode))


def test_a_deny_of_an_enforced_rule_ends_the_line() -> None:
    asked: list[str] = []
    outcome = pipeline.run((lambda _: _denies(Mode.ENFORCE), asked.append), "stage")
    assert isinstance(outcome, Deny)
    assert asked == []


def test_a_deny_of_a_shadow_rule_is_carried_along_and_the_next_check_is_asked() -> None:
    outcome = pipeline.run((_holds, lambda _: _denies(Mode.SHADOW), _holds), "stage")
    assert isinstance(outcome, tuple)
    assert [shadow.code for shadow in outcome] == ["authz.scope"]


def test_a_deny_after_a_shadow_deny_still_ends_the_line() -> None:
    outcome = pipeline.run((lambda _: _denies(Mode.SHADOW), lambda _: _denies(Mode.ENFORCE)), "stage")
    assert isinstance(outcome, Deny)
    assert [would.check for would in outcome.shadow] == ["<lambda>"]


def test_what_stands_beside_a_deny_is_recorded_with_it() -> None:
    both = replace(_denies(Mode.SHADOW), shadow=(Deny(code="limit.other"),))
    carried = pipeline.run((lambda _: both,), "stage")
    assert isinstance(carried, tuple)
    assert [(would.code, would.shadow) for would in carried] == [("authz.scope", ()), ("limit.other", ())]
    ended = pipeline.run((lambda _: both, lambda _: replace(both, rule=None)), "stage")
    assert isinstance(ended, Deny)
    assert [would.code for would in ended.shadow] == ["authz.scope", "limit.other", "limit.other"]


def test_a_rule_that_is_off_neither_denies_nor_is_recorded() -> None:
    assert pipeline.run((lambda _: _denies(Mode.OFF),), "stage") == ()


def test_a_deny_that_names_no_rule_always_ends_the_line() -> None:
    assert isinstance(pipeline.run((lambda _: _denies(None),), "stage"), Deny)


def test_a_deny_names_the_check_that_it_is_of() -> None:
    def shadow(_: str) -> Deny:
        return _denies(Mode.SHADOW)

    def enforced(_: str) -> Deny:
        return _denies(Mode.ENFORCE)

    outcome = pipeline.run((_holds, enforced), "stage")
    assert isinstance(outcome, Deny)
    assert outcome.check == "enforced"
    carried = pipeline.run((_holds, shadow), "stage")
    assert isinstance(carried, tuple)
    assert [deny.check for deny in carried] == ["shadow"]
