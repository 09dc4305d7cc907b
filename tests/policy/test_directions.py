"""Every field of a compiled policy is classified."""

import inspect

import msgspec
import pytest

from guard.model import policy, upstream_policy
from guard.model.resources import InQuery
from guard.model.rules import Mode, Rule
from guard.policy.directions import (
    TABLE,
    Kind,
    fewer,
    grows,
    grows_or_any,
    laxer,
    more,
    needed,
    once_off,
    once_on,
    shrinks,
    told,
    watched,
)
from tests.build import signal

NOT_COMPARED = {policy.RouteNode}  # the tree is compared route by route

_CLASSES = dict(inspect.getmembers(policy, inspect.isclass)) | dict(
    inspect.getmembers(upstream_policy, inspect.isclass)
)

STRUCTS = [struct for struct in _CLASSES.values() if issubclass(struct, msgspec.Struct) and struct not in NOT_COMPARED]


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_every_field_of_a_compiled_policy_is_classified_and_no_other(struct: type[msgspec.Struct]) -> None:
    assert set(TABLE[struct]) == set(struct.__struct_fields__)


def test_nothing_is_classified_that_is_no_part_of_a_policy() -> None:
    assert set(TABLE) == {*STRUCTS, Rule}


@pytest.mark.parametrize(
    ("direction", "old", "new", "kind"),
    [
        (more, 1, 2, "WEAKENS"),
        (more, 2, 1, "TIGHTENS"),
        (more, None, 1, "WEAKENS"),
        (fewer, 2, 1, "WEAKENS"),
        (fewer, 1, 2, "TIGHTENS"),
        (fewer, None, 2, "WEAKENS"),
        (grows, ("a",), ("a", "b"), "WEAKENS"),
        (grows, ("a", "b"), ("a",), "TIGHTENS"),
        (grows, ("a", "b"), ("a", "c"), "WEAKENS"),
        (grows, ("a", "b"), ("b", "a"), "NEUTRAL"),
        (shrinks, ("a", "b"), ("a",), "WEAKENS"),
        (shrinks, ("a",), ("a", "b"), "TIGHTENS"),
        (grows_or_any, (), ("a",), "TIGHTENS"),
        (grows_or_any, ("a",), (), "WEAKENS"),
        (grows_or_any, ("a",), ("a", "b"), "WEAKENS"),
        (once_on, True, False, "WEAKENS"),
        (once_on, False, True, "TIGHTENS"),
        (once_off, False, True, "WEAKENS"),
        (once_off, True, False, "TIGHTENS"),
        (told, {}, {"symbol": (InQuery("symbol"),)}, "WEAKENS"),
        (told, {"symbol": (InQuery("symbol"),)}, {}, "TIGHTENS"),
        (told, {"symbol": (InQuery("symbol"),)}, {"symbol": ()}, "WEAKENS"),
        (told, {"symbol": (), "side": ()}, {"symbol": (InQuery("symbol"),)}, "WEAKENS"),
        (needed, "trade", None, "WEAKENS"),
        (needed, None, "trade", "TIGHTENS"),
        (needed, "trade", "read", "WEAKENS"),
        (laxer((Mode.ENFORCE, Mode.OFF)), Mode.ENFORCE, Mode.OFF, "WEAKENS"),
        (laxer((Mode.ENFORCE, Mode.OFF)), Mode.OFF, Mode.ENFORCE, "TIGHTENS"),
    ],
)
def test_which_of_two_values_lets_more_through(direction: object, old: object, new: object, kind: str) -> None:
    assert direction(old, new) is Kind(kind)  # type: ignore[operator]


def test_a_signal_that_only_stands_elsewhere_is_neutral_and_any_other_change_of_it_is_not() -> None:
    old = {"auth.replayed": (signal(),)}
    moved = {"auth.replayed": (msgspec.structs.replace(signal(), rule=Rule("abuse.replay", "p.yaml", 99)),)}
    assert watched(old, moved) is Kind.NEUTRAL
    assert watched(old, {"auth.replayed": (signal(points=1),)}) is Kind.WEAKENS
    assert watched(old, {}) is Kind.WEAKENS
