from collections.abc import Mapping
from typing import Any

import pytest

from guard.signing.profile_schema import ProfileFault, read_profile
from tests.build import profile
from tests.signing.dialects import KEYED


def _fault(written: Mapping[str, object], **parents: Mapping[str, object]) -> tuple[tuple[str | int, ...], str]:
    with pytest.raises(ProfileFault) as fault:
        read_profile(written, parents)
    return fault.value.path, fault.value.message


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"cannonical": "x"}, ("cannonical",)),
        ({"shape": {"qeury": "refuse"}}, ("shape", "qeury")),
        ({"shape": {"query": "deny"}}, ("shape", "query")),
        ({"time": {"unit": "ms", "past_ms": "5s", "future_ms": 1, "past_ms_max": 1}}, ("time", "past_ms")),
        ({"time": {"unit": "ms", "past_ms": True, "future_ms": 1, "past_ms_max": 1}}, ("time", "past_ms")),
        ({"time": {"unit": "ms", "past_ms": 1.0, "future_ms": 1, "past_ms_max": 1}}, ("time", "past_ms")),
        ({"time": {"unit": "min", "past_ms": 1, "future_ms": 1, "past_ms_max": 1}}, ("time", "unit")),
        ({"optional": ["a", 1]}, ("optional", 1)),
        ({"base": 1}, ("base",)),
        ({"transport": "rest"}, ("transport",)),
        ({"take": {"key": "header:X"}}, ("take",)),
        ({"algorithms": {"none": {"encoding": "hex"}}}, ("algorithms",)),
        ({"algorithms": {"HMAC-SHA256": {"encoding": "hex"}}}, ("algorithms",)),
        ({"algorithms": {"ed25519": {"encoding": "hex", "alg": "x"}}}, ("algorithms", "alg")),
        ({"decode": {"signature": "twice"}}, ("decode",)),
        ({"formats": None}, ("formats",)),
    ],
)
def test_a_key_or_type_that_is_not_known_is_refused_where_it_stands(
    changes: dict[str, Any], path: tuple[Any, ...]
) -> None:
    assert _fault({**KEYED, **changes})[0] == path


def test_a_missing_key_is_named() -> None:
    written = {name: value for name, value in KEYED.items() if name != "unbound"}
    assert _fault(written) == ((), "missing key `unbound`")
    assert _fault({**KEYED, "nobody": 1}) == (("nobody",), "unknown key 'nobody'")


def test_a_child_replaces_keys_and_merges_maps_one_level_deep() -> None:
    child = {"extends": "guard-v1", "guarantee": "window", "take": {"key": ["header:X-Key"]}, "time": {"past_ms": 1000}}
    merged = read_profile(child, {"guard-v1": profile("guard-v1")})
    assert merged.guarantee == "window"
    assert merged.take["key"] == ("header:X-Key",)
    assert merged.take["signature"] == ("header:Guard-Signature",)
    assert merged.time is not None
    assert (merged.time.past_ms, merged.time.future_ms) == (1000, 1000)


def test_deeper_maps_and_lists_are_replaced_whole() -> None:
    child = {"extends": "p", "algorithms": {"ed25519": {"encoding": "hex"}}, "optional": ["expires"]}
    parent = {**profile("guard-v1"), "algorithms": {"ed25519": {"encoding": "base64", "signature": "ed25519"}}}
    merged = read_profile(child, {"p": parent})
    assert merged.algorithms["ed25519"].signature is None  # type: ignore[index]  # a StrEnum is its text
    assert merged.optional == ("expires",)


def test_a_parent_may_extend_another() -> None:
    parents = {"a": profile("guard-v1"), "b": {"extends": "a", "guarantee": "window"}}
    assert read_profile({"extends": "b"}, parents).guarantee == "window"


@pytest.mark.parametrize("parent", ["nobody", 1, ["a"]])
def test_a_parent_that_is_not_there_is_refused(parent: object) -> None:
    assert _fault({"extends": parent}, a=KEYED)[0] == ("extends",)


def test_a_circle_of_parents_is_refused() -> None:
    path, message = _fault({"extends": "a"}, a={"extends": "b"}, b={"extends": "a"})
    assert path == ("extends",)
    assert "circle" in message


def test_parents_are_not_changed() -> None:
    parent = profile("guard-v1")
    read_profile({"extends": "p", "take": {"key": ["header:X"]}}, {"p": parent})
    assert parent == profile("guard-v1")
