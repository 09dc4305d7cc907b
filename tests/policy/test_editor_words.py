"""Snippets that are valid as they are offered, and a meaning for each word of each choice."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from guard.policy.editor_words import WORDS
from guard.policy.json_schema import policy_schema
from guard.policy.load import Loaded, load_text
from guard.service import policies as rulebooks

ROOT = Path(__file__).parents[2]
_HOLE = re.compile(r"\^?\$\{\d:([^}]*)\}")
_BESIDE: dict[str, Any] = {
    "routes": {"GET /v1/account": {"scope": "read"}, "POST /v1/orders": {"scope": "trade", "group": "orders"}}
}


def _filled(body: Any) -> Any:
    """What stands in the editor if each hole keeps what was offered for it: `^` says that it is a number."""
    if isinstance(body, list):
        return [_filled(item) for item in body]
    if isinstance(body, dict):
        return {_HOLE.sub(r"\1", key): _filled(value) for key, value in body.items()}
    text = _HOLE.sub(r"\1", str(body))
    return int(text) if isinstance(body, str) and body.startswith("^") else text


def _offered() -> Iterator[tuple[str, str, Any]]:
    for section in ("routes", "limits", "tests"):
        for snippet in policy_schema()["properties"][section]["defaultSnippets"]:
            yield section, snippet["label"], _filled(snippet["body"])


@pytest.mark.parametrize(("section", "label", "body"), list(_offered()), ids=lambda value: str(value)[:30])
def test_a_snippet_is_in_order_as_it_is_offered(section: str, label: str, body: Any) -> None:
    assert label
    whole = {"version": 1, "service": "exchange", "upstream": "http://127.0.0.1:1", **_BESIDE, section: body}
    jsonschema.Draft7Validator(policy_schema()).validate(whole)
    loaded = load_text({"exchange.yaml": json.dumps(whole)})
    assert isinstance(loaded, Loaded), loaded
    assert loaded.warnings == ()
    assert isinstance(rulebooks.tested(loaded), rulebooks.Rulebook)


def test_a_test_is_offered_also_beside_others() -> None:
    offered = policy_schema()["definitions"]["OneCasePart"]["defaultSnippets"]
    assert [one["label"] for one in offered] == ["test of one request", "test that a replay is refused"]


def _choices(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict) and isinstance(node.get("enum"), list):
        yield node
    for below in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _choices(below)


def test_each_word_of_each_choice_has_a_meaning() -> None:
    choices = list(_choices(policy_schema()))
    assert len(choices) > 10
    for choice in choices:
        assert len(choice["enumDescriptions"]) == len(choice["enum"])
        assert all(choice["enumDescriptions"])


def test_a_word_means_what_it_says() -> None:
    mode = policy_schema()["properties"]["mode"]
    assert mode["enum"] == ["enforce", "shadow", "off"]
    assert mode["enumDescriptions"][1] == "It is asked, counts and is recorded, and refuses nothing."
    assert WORDS["mode"]["shadow"] == mode["enumDescriptions"][1]


@pytest.mark.parametrize("path", sorted((ROOT / "policies").glob("*.yaml")), ids=lambda path: path.name)
def test_each_shipped_policy_names_the_schema_in_its_first_line(path: Path) -> None:
    modeline = re.match(r"# yaml-language-server: \$schema=(\S+)\n", path.read_text())
    assert modeline is not None
    assert (path.parent / modeline[1]).resolve() == ROOT / "policies/schema/policy.v1.json"
