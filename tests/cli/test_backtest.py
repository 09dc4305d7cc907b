"""`guard backtest` on files."""

import gzip
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from guard.cli.backtest import app

POLICY = """\
version: 1
service: exchange
upstream: http://127.0.0.1:1
limits:
  key: {per: [key], rate: 1/s, burst: %s}
routes:
  POST /v1/orders: {scope: trade}
"""
LINE = {"decision": "allow", "service": "exchange", "method": "POST", "route": "POST /v1/orders"} | {
    "key": "gk_1…aa",
    "account": "acme",
    "ip": "192.0.2.1",
}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "decisions.jsonl"
    lines = [LINE | {"ts": f"2026-11-18T11:06:40.{number:03}Z"} for number in range(10)]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def policy(tmp_path: Path, burst: int) -> str:
    file = tmp_path / f"burst{burst}.yaml"
    file.write_text(POLICY % burst)
    return str(file)


def ran(*words: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, words, input=stdin)


def test_what_would_change_is_told_with_whom_it_meets(tmp_path: Path, log: Path) -> None:
    done = ran(policy(tmp_path, 4), "--log", str(log))
    assert done.exit_code == 0
    assert "newly denied 6 (60.00%), to 1 keys or addresses; newly allowed 0." in done.output
    assert "gk_1…aa" in done.output


def test_two_policies_are_compared_with_one_another(tmp_path: Path, log: Path) -> None:
    done = ran(policy(tmp_path, 4), "--log", str(log), "--against", policy(tmp_path, 3), "--json")
    told = json.loads(done.output)
    assert told["before"] == {"allow": 3, "limit.key": 7}
    assert told["after"] == {"allow": 4, "limit.key": 6}
    assert (told["newly_denied"], told["newly_allowed"]) == (0, 1)


@pytest.mark.parametrize(
    ("burst", "condition", "code"),
    [
        (4, "newly_denied > 59%", 4),
        (4, "newly_denied>60%", 0),
        (4, "newly_denied >= 6", 4),
        (10, "newly_denied > 0", 0),
    ],
)
def test_a_condition_that_holds_is_code_4(tmp_path: Path, log: Path, burst: int, condition: str, code: int) -> None:
    assert ran(policy(tmp_path, burst), "--log", str(log), "--fail-if", condition).exit_code == code


def test_a_log_may_be_zipped_or_come_on_standard_input(tmp_path: Path, log: Path) -> None:
    zipped = tmp_path / "decisions.jsonl.gz"
    zipped.write_bytes(gzip.compress(log.read_bytes()))
    for done in (
        ran(policy(tmp_path, 4), "--log", str(zipped), "--json"),
        ran(policy(tmp_path, 4), "--log", "-", "--json", stdin=log.read_bytes()),
    ):
        assert json.loads(done.output)["newly_denied"] == 6


def test_lines_that_cannot_be_read_are_told_and_counted(tmp_path: Path, log: Path) -> None:
    log.write_text("not JSON\n\n" * 7 + log.read_text())
    done = ran(policy(tmp_path, 4), "--log", str(log))
    assert done.exit_code == 0
    assert done.output.count("no line of a decision log") == 5
    assert f"{log}:1: " in done.output
    assert "7 lines could not be read." in done.output


@pytest.mark.parametrize(
    ("content", "why"), [(b"", "no lines"), (b"x\n", "no line could be read"), (b"\x1f\x8bnot gzip", "cannot be read")]
)
def test_a_log_without_a_line_is_code_2(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "log").write_bytes(content)
    done = ran(policy(tmp_path, 4), "--log", str(tmp_path / "log"))
    assert (done.exit_code, why in done.output) == (2, True)


def test_what_cannot_be_asked_is_code_2_and_what_cannot_be_in_force_code_3(tmp_path: Path, log: Path) -> None:
    good = policy(tmp_path, 4)
    assert ran(good, "--log", str(tmp_path / "nowhere")).exit_code == 2
    assert ran(good, "--log", str(log), "--fail-if", "denied > 1").exit_code == 2
    assert ran(good, "--log", str(log), "--log-format", "apache").exit_code == 2
    (tmp_path / "bad.yaml").write_text("version: 9\n")
    assert ran(str(tmp_path / "bad.yaml"), "--log", str(log)).exit_code == 3
