"""`guard check` says what the gateway would say."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner, Result

from guard.cli.check import app
from guard.cli.keys import app as keys

_POLICIES = Path(__file__).parent.parent.parent / "policies"
_EXAMPLES = Path(__file__).parent.parent / "policy_examples"
_HEAD = "version: 1\nservice: x\nupstream: http://127.0.0.1:1\n"
_ROUTES = "routes:\n  POST /v1/orders: {scope: trade}\n"
_WARNED = f"{_HEAD}{_ROUTES}  POST /v1/echo: {{auth: none}}\n"
_WRONG = "version: 1\nservice: x\nrouts: {}\nupstream: http://127.0.0.1:1\n"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GUARD_DATABASE_URL", raising=False)
    monkeypatch.delenv("GUARD_SEALING_KEY_FILE", raising=False)
    monkeypatch.setenv("GUARD_HOME", str(tmp_path / "home"))


def _checked(folder: Path, text: str, *options: str) -> Result:
    policies = folder / "policies"
    policies.mkdir(exist_ok=True)
    (policies / "exchange.yaml").write_text(text)
    return CliRunner().invoke(app, [str(policies), *options])


def test_bans_that_a_policys_tests_make_are_told_to_nobody(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ran = _checked(tmp_path, (_EXAMPLES / "full.yaml").read_text(), "--format", "json")
    assert (ran.exit_code, json.loads(ran.stdout)) == (0, [])
    assert "ban" not in ran.output + "".join(capfd.readouterr())


def test_valid_policies_are_named_with_their_digests() -> None:
    ran = CliRunner().invoke(app, [str(_POLICIES)])
    assert ran.exit_code == 0
    assert "2 files ok" in ran.output
    assert "exchange@" in ran.output


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("text", "exchange.yaml:3:1: error[P101]"),
        ("concise", "exchange.yaml:3:1"),
        ("github", "::error file="),
        ("sarif", '"ruleId":"P101"'),
        ("junit", '<failure type="P101"'),
    ],
)
def test_a_fault_is_named_with_its_place_and_ends_with_code_3(tmp_path: Path, form: str, expected: str) -> None:
    ran = _checked(tmp_path, _WRONG, "--format", form)
    assert ran.exit_code == 3
    assert expected in ran.output


def test_a_policy_whose_tests_fail_is_refused_with_a_code_of_its_own(tmp_path: Path) -> None:
    policy = tmp_path / "exchange.yaml"
    head = "version: 1\nservice: x\nupstream: http://127.0.0.1:1\nroutes: {GET /v1/x: {auth: none}}\n"
    policy.write_text(head + "tests: [{send: GET /v1/x, expect: allow}]\n")
    ran = CliRunner().invoke(app, [str(policy)])
    assert (ran.exit_code, ran.output.partition("x@")[0]) == (0, "1 files ok, 1 tests pass, 0 warnings: ")
    policy.write_text(head + "tests: [{send: GET /v1/y, expect: allow}]\n")
    ran = CliRunner().invoke(app, [str(policy), "--format", "concise"])
    assert ran.exit_code == 4
    assert f"{policy}:5:35: error[P601]" in ran.output
    policy.write_text(head + "tests: [{send: GET /v1/x, as: {scheme: binance}, expect: allow}]\n")
    ran = CliRunner().invoke(app, [str(policy), "--format", "concise"])
    assert (ran.exit_code, "error[P603]" in ran.output) == (4, True)
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / "p.yaml").write_text(_WRONG)
    assert CliRunner().invoke(app, [str(policy), str(tmp_path / "wrong")]).exit_code == 3
    policy.write_text(_WARNED + "tests: [{send: POST /v1/y, expect: allow}]\n")
    codes = [CliRunner().invoke(app, [str(policy), "--fail-level", level]).exit_code for level in ("error", "warning")]
    assert codes == [4, 3], "what a warning is about is no test"


def test_a_program_gets_json(tmp_path: Path) -> None:
    ran = _checked(tmp_path, _WRONG, "--format", "json")
    found = json.loads(ran.output)
    assert found
    assert ran.exit_code == 3


@pytest.mark.parametrize(("form", "empty"), [("json", "[]\n"), ("github", ""), ("concise", None)])
def test_nothing_found_is_told_in_its_form(tmp_path: Path, form: str, empty: str | None) -> None:
    ran = _checked(tmp_path, _HEAD + _ROUTES, "--format", form)
    assert ran.exit_code == 0
    assert empty is None or ran.output == empty


def test_junit_lists_the_files_that_are_in_order(tmp_path: Path) -> None:
    (suite,) = ET.fromstring(_checked(tmp_path, _HEAD + _ROUTES, "--format", "junit").output.encode())  # noqa: S314  # ours
    assert [case.get("classname") for case in suite] == [str(tmp_path / "policies" / "exchange.yaml")]


@pytest.mark.parametrize(("level", "code"), [("error", 0), ("warning", 3)])
def test_warnings_fail_where_that_is_asked_for(tmp_path: Path, level: str, code: int) -> None:
    ran = _checked(tmp_path, _WARNED, "--fail-level", level)
    assert "warning[P401]" in ran.output
    assert ran.exit_code == code


def test_several_paths_are_judged_each_by_itself(tmp_path: Path) -> None:
    for name, text in (("one", _HEAD + _ROUTES), ("two", _WRONG)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "p.yaml").write_text(text)
    ran = CliRunner().invoke(app, [str(tmp_path / "one"), str(tmp_path / "two"), str(tmp_path / "one")])
    assert ran.exit_code == 3
    assert ran.output.count("1 files ok") == 2
    assert ran.output.count("error[P101]") == 1


def test_the_policies_are_printed_with_all_that_they_leave_out(tmp_path: Path) -> None:
    ran = _checked(tmp_path, _WARNED, "--print")
    assert ran.exit_code == 0
    assert ran.stdout.startswith(f"# {tmp_path / 'policies' / 'exchange.yaml'}\nversion: 1 ")
    assert "  v6_prefix: 64                                                   # default\n" in ran.stdout
    assert "warning[P401]" in ran.stderr
    assert "P401" not in ran.stdout


def test_a_policy_that_is_not_in_order_is_not_printed(tmp_path: Path) -> None:
    ran = _checked(tmp_path, _WRONG, "--print")
    assert ran.exit_code == 3
    assert "version" not in ran.stdout


def test_a_scope_that_no_usable_key_has_is_told_on_request(tmp_path: Path) -> None:
    created = CliRunner().invoke(keys, ["create", "--account", "acme", "--scopes", "trade", "--json"])
    assert "P209" not in _checked(tmp_path, _HEAD + _ROUTES, "--keys").output
    CliRunner().invoke(keys, ["revoke", json.loads(created.output)["id"], "--why", "test"])
    assert "warning[P209]" in _checked(tmp_path, _HEAD + _ROUTES, "--keys").output
    assert "P209" not in _checked(tmp_path, _HEAD + _ROUTES).output


@pytest.mark.parametrize(
    ("state", "workers", "code"), [("memory://", "2", 3), ("memory://", "1", 0), ("redis://127.0.0.1:1", "2", 0)]
)
def test_several_workers_with_memories_of_their_own_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str, workers: str, code: int
) -> None:
    monkeypatch.setenv("GUARD_STATE_URL", state)
    ran = _checked(tmp_path, _HEAD + _ROUTES, "--workers", workers)
    assert ran.exit_code == code
    assert ("error[P501]" in ran.output) == (code == 3)


@pytest.mark.parametrize("options", [("--format", "xml"), ("--fail-level", "info"), ("--workers", "0")])
def test_what_is_not_known_is_a_usage_error(options: tuple[str, str]) -> None:
    assert CliRunner().invoke(app, [str(_POLICIES), *options]).exit_code == 2


def test_what_no_test_speaks_of_is_told_if_asked_for(tmp_path: Path) -> None:
    assert "P410" not in _checked(tmp_path, _HEAD + _ROUTES).output
    told = _checked(tmp_path, _HEAD + _ROUTES, "--coverage", "--fail-level", "warning")
    assert (told.exit_code, "warning[P410]: no test sends a request to" in told.output) == (3, True)
