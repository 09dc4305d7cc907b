"""Every lint is asked, and only where nothing else is wrong."""

import ast
from pathlib import Path

from guard.policy.lints.table import LINTS
from tests.policy_text import codes, policy

FOLDER = Path(__file__).parents[3] / "guard" / "policy" / "lints"


def test_every_lint_that_is_written_is_asked() -> None:
    written = {
        node.name
        for path in FOLDER.glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }
    assert written - {each.__name__ for each in LINTS} == {"lint", "whole", "divided_memory"}


def test_no_warning_follows_from_an_error() -> None:
    idle = "{a: {per: [key], rate: 9/s}, b: {per: [account], rate: 8/s}"
    assert codes(policy(f"limits: {idle}}}")) == ["P305"]
    assert codes(policy(f"limits: {idle}, c: {{per: [key], rate: 9/s, routes: [nowhere]}}}}")) == ["P201"]
