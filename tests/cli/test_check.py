"""`guard check` says what the gateway would say."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from guard.cli.check import app

_POLICIES = Path(__file__).parent.parent.parent / "policies"


def test_valid_policies_are_named_with_their_digests() -> None:
    ran = CliRunner().invoke(app, [str(_POLICIES)])
    assert ran.exit_code == 0
    assert "2 files ok" in ran.output
    assert "exchange@" in ran.output


@pytest.mark.parametrize(
    ("form", "expected"), [("text", "exchange.yaml:3:1: error[P101]"), ("concise", "exchange.yaml:3:1")]
)
def test_a_fault_is_named_with_its_place_and_ends_with_code_3(tmp_path: Path, form: str, expected: str) -> None:
    (tmp_path / "exchange.yaml").write_text("version: 1\nservice: x\nrouts: {}\nupstream: http://127.0.0.1:1\n")
    ran = CliRunner().invoke(app, [str(tmp_path), "--format", form])
    assert ran.exit_code == 3
    assert expected in ran.output


def test_a_policy_whose_tests_fail_is_invalid(tmp_path: Path) -> None:
    policy = tmp_path / "exchange.yaml"
    head = "version: 1\nservice: x\nupstream: http://127.0.0.1:1\nroutes: {GET /v1/x: {auth: none}}\n"
    policy.write_text(head + "tests: [{send: GET /v1/x, expect: allow}]\n")
    ran = CliRunner().invoke(app, [str(policy)])
    assert (ran.exit_code, ran.output.partition("x@")[0]) == (0, "1 files ok, 1 tests pass, 0 warnings: ")
    policy.write_text(head + "tests: [{send: GET /v1/y, expect: allow}]\n")
    ran = CliRunner().invoke(app, [str(policy), "--format", "concise"])
    assert ran.exit_code == 3
    assert f"{policy}:5:35: error[P601]" in ran.output


def test_a_program_gets_json(tmp_path: Path) -> None:
    (tmp_path / "exchange.yaml").write_text("version: 1\nservice: x\nrouts: {}\nupstream: http://127.0.0.1:1\n")
    ran = CliRunner().invoke(app, [str(tmp_path), "--format", "json"])
    found = json.loads(ran.output)
    assert found
    assert ran.exit_code == 3


def test_a_form_that_is_not_known_is_a_usage_error() -> None:
    assert CliRunner().invoke(app, [str(_POLICIES), "--format", "xml"]).exit_code == 2
