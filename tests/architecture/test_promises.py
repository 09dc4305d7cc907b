"""Every promise names tests that exist, so that no promise outlives its guard."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
_REFERENCE = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_PROMISES = [
    line
    for line in (ROOT / "docs" / "promises.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith(("| promise", "|---"))
]


@pytest.mark.parametrize("line", _PROMISES)
def test_a_promise_names_tests_that_exist(line: str) -> None:
    references = _REFERENCE.findall(line)
    assert references, "a promise without a test"
    for file, name in references:
        assert name in _names_in(file), f"{file} has no {name}"


@cache
def _names_in(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_there_are_promises() -> None:
    assert len(_PROMISES) > 50
