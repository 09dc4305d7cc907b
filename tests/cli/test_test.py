"""`guard test` runs the tests of policies, and says where one fails and why."""

import signal
import subprocess
import sys
import threading
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner, Result

from guard.cli.test import app

_POLICY = """\
version: 1
service: exchange
upstream: http://127.0.0.1:8081
routes: {POST /v1/orders: {scope: trade}}
tests:
  - {send: POST /v1/orders, as: {scopes: [trade]}, expect: allow}
  - {name: readers cannot trade, send: POST /v1/orders, as: {scopes: [read]}, expect: authz.scope}
"""
_FAILS = "  - {name: wrong <&>, send: POST /v1/orders, expect: allow}\n"
_PATIENCE_S = 30.0
_TODO = "  - {name: later, todo: true, send: POST /v1/orders, expect: allow}\n"


def _ran(tmp_path: Path, *arguments: str, more: str = "") -> Result:
    (tmp_path / "exchange.yaml").write_text(_POLICY + more)
    return CliRunner().invoke(app, [str(tmp_path), *arguments])


def test_tests_that_pass_end_with_code_0_and_one_line(tmp_path: Path) -> None:
    ran = _ran(tmp_path)
    assert (ran.exit_code, ran.output) == (0, "PASS: 2/2\n")


def test_a_file_is_tested_with_the_tests_beside_it(tmp_path: Path) -> None:
    _ran(tmp_path)
    (tmp_path / "x.test.yaml").write_text(f"service: exchange\ntests:\n{_FAILS}")
    for path in (tmp_path, tmp_path / "exchange.yaml"):
        ran = CliRunner().invoke(app, [str(path)])
        assert (ran.exit_code, ran.output.splitlines()[-1]) == (4, "FAIL: 2/3")


def test_each_test_has_a_line_if_asked(tmp_path: Path) -> None:
    first, second, last = _ran(tmp_path, "-v").output.splitlines()
    assert first.startswith("POST /v1/orders: allow: PASS (")
    assert second.startswith("readers cannot trade: PASS (")
    assert second.endswith(" ms)")
    assert last == "PASS: 2/2"


def test_one_that_fails_is_shown_with_its_place_and_ends_with_code_4(tmp_path: Path) -> None:
    ran = _ran(tmp_path, more=_FAILS)
    assert ran.exit_code == 4
    assert "wrong <&>: FAIL (" in ran.output
    assert f"{tmp_path}/exchange.yaml:8:54: error[P601]: `wrong <&>`: expected `allow`, got `authz.scope` (403)" in (
        ran.output
    )
    assert "help: decided by routes.POST /v1/orders (exchange.yaml:4)" in ran.output
    assert ran.output.endswith("FAIL: 2/3\n")


def test_the_request_at_which_a_test_failed_is_explained_if_asked(tmp_path: Path) -> None:
    ran = _ran(tmp_path, "--explain-failures", more=_FAILS)
    assert "    scope        DENY        trade" in ran.output
    assert "◀ decided here" in ran.output
    assert "decided here" not in _ran(tmp_path, more=_FAILS).output


def test_one_that_is_to_be_done_is_reported_and_does_not_count(tmp_path: Path) -> None:
    ran = _ran(tmp_path, more=_TODO)
    assert ran.exit_code == 0
    assert "later: TODO (" in ran.output
    assert "error[P601]" not in ran.output
    assert ran.output.endswith("PASS: 2/3\n")
    passes = _ran(tmp_path, "-v", more=_TODO.replace("allow", "authz.scope"))
    assert "later: TODO, and passes: take `todo` away (" in passes.output


@pytest.mark.parametrize(
    ("only", "expected"),
    [("test=readers*", "PASS: 1/1\n"), ("service=exchange;test=*allow", "PASS: 1/1\n"), ("service=ex*", "PASS: 2/2\n")],
)
def test_a_filter_chooses_by_service_and_name(tmp_path: Path, only: str, expected: str) -> None:
    assert _ran(tmp_path, "--filter", only).output == expected


@pytest.mark.parametrize("only", ["tests=x", "readers", "service=other"])
def test_a_filter_that_is_none_or_chooses_nothing_is_a_usage_error(tmp_path: Path, only: str) -> None:
    assert _ran(tmp_path, "--filter", only).exit_code == 2


def test_a_policy_without_tests_is_told(tmp_path: Path) -> None:
    (tmp_path / "exchange.yaml").write_text(_POLICY.partition("tests:")[0])
    ran = CliRunner().invoke(app, [str(tmp_path)])
    assert (ran.exit_code, ran.output) == (0, "no tests\n")


def test_an_invalid_policy_ends_with_code_3(tmp_path: Path) -> None:
    ran = _ran(tmp_path, more="  - {send: nothing}\n")
    assert ran.exit_code == 3
    assert "error[P106]" in ran.output


def test_results_are_written_as_junit_xml(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    _ran(tmp_path, "--junit", str(report), more=_FAILS + _TODO)
    suite = ET.fromstring(report.read_text())  # noqa: S314  # our own
    assert suite.attrib == {"name": "guard test", "tests": "4", "failures": "1", "skipped": "1"}
    named = {case.attrib["name"]: [part.tag for part in case] for case in suite}
    assert named == {
        "POST /v1/orders: allow": [],
        "readers cannot trade": [],
        "wrong <&>": ["failure"],
        "later": ["skipped"],
    }


def test_with_watch_they_run_again_after_each_change_until_ctrl_c(tmp_path: Path) -> None:
    policy = tmp_path / "exchange.yaml"
    policy.write_text(_POLICY)
    command = [sys.executable, "-m", "guard", "test", str(tmp_path), "--watch"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:  # noqa: S603  # our own command
        patience = threading.Timer(_PATIENCE_S, running.kill)
        patience.start()
        assert running.stdout is not None
        told = (line for line in running.stdout if not line.startswith("---"))
        assert next(told, None) == "PASS: 2/2\n"
        for changed, said in ((f"{_POLICY}x: 1\n", "[P101]"), (_POLICY + _FAILS, "FAIL: 2/3")):
            policy.write_text(changed)
            assert any(said in line for line in told)
        running.send_signal(signal.SIGINT)
        assert running.wait(_PATIENCE_S) == 4
        patience.cancel()
