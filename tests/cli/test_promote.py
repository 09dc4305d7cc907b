"""`guard promote` on files."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from guard.cli.promote import app

POLICY = """\
version: 1
service: exchange
upstream: http://127.0.0.1:1
promotion: {keys_denied: 10%}
limits:
  weight: {per: [ip], rate: 5/s, mode: shadow}
routes:
  GET /v1/x: {scope: read}
"""


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "exchange.yaml").write_text(POLICY)
    return folder


def log(tmp_path: Path, met: int, of: int) -> Path:
    file = tmp_path / "decisions.jsonl"
    line = {"ts": "2026-11-18T11:06:40.123Z", "decision": "allow", "service": "exchange", "route": "GET /v1/x"}
    told = [
        line | {"method": "GET", "key": f"gk_{number}", "ip": "192.0.2.1", "shadow": ["limit.weight"] * (number < met)}
        for number in range(of)
    ]
    file.write_text("".join(json.dumps(each) + "\n" for each in told))
    return file


def ran(policies: Path, log: Path, *more: str, rule: str = "limits.weight") -> Result:
    return CliRunner().invoke(app, [rule, "--policies", str(policies), "--log", str(log), *more])


def test_a_rule_that_meets_few_is_promoted_by_the_line_that_is_printed(policies: Path, tmp_path: Path) -> None:
    done = ran(policies, log(tmp_path, 1, 10))
    assert done.exit_code == 0
    assert "would have denied 1 of 10 requests, to 1 of 10 active keys (10.00%)" in done.output
    assert f"--- {policies}/exchange.yaml:6\n-  weight: {{per: [ip], rate: 5/s, mode: shadow}}\n" in done.output
    changed = POLICY.replace("mode: shadow", "mode: enforce").splitlines()[5]
    assert done.output.endswith(f"+{changed}\n")
    assert (policies / "exchange.yaml").read_text() == POLICY, "the file is its owner's"


def test_a_rule_that_meets_many_is_refused_with_code_4_and_no_line_is_printed(policies: Path, tmp_path: Path) -> None:
    done = ran(policies, log(tmp_path, 2, 10))
    assert done.exit_code == 4
    assert "Refused: it would deny something to more than 10% of the active keys or addresses." in done.output
    assert "mode: enforce" not in done.output


def test_a_program_gets_the_lines_or_the_refusal(policies: Path, tmp_path: Path) -> None:
    told = json.loads(ran(policies, log(tmp_path, 0, 10), "--json").output)
    assert (told["refused"], [edit["line"] for edit in told["edits"]]) == (None, [6])
    told = json.loads(ran(policies, log(tmp_path, 9, 10), "--json", "--top", "2").output)
    assert (told["keys_denied"], told["keys_denied_percent"], told["edits"], len(told["met"])) == (9, 90.0, [], 2)
    assert told["by_route"] == {"GET /v1/x": 9}


def test_a_log_that_tells_nothing_of_it_is_no_reason_to_go_on(policies: Path, tmp_path: Path) -> None:
    done = ran(policies, log(tmp_path, 0, 0))
    assert (done.exit_code, "Refused: the log has no request of exchange." in done.output) == (4, True)


def test_what_is_enforced_is_not_promoted(policies: Path, tmp_path: Path) -> None:
    (policies / "exchange.yaml").write_text(POLICY.replace("shadow", "enforce"))
    done = ran(policies, log(tmp_path, 0, 10))
    assert (done.exit_code, "Refused: limits.weight is enforced already." in done.output) == (4, True)
    assert done.output.startswith("limits.weight of exchange, enforced, 2026-")


def test_a_signal_is_not_promoted_alone_and_why_is_told(policies: Path, tmp_path: Path) -> None:
    (policies / "exchange.yaml").write_text(
        f"{POLICY}abuse: {{mode: shadow, signals: {{loud: {{on: limit.*, per: ip, points: 5, mode: shadow}}}}}}\n"
    )
    done = ran(policies, log(tmp_path, 0, 10), rule="abuse.loud")
    assert (done.exit_code, "there are: exchange: abuse, exchange: limits.weight" in done.output) == (2, True)
    assert "signals go with the whole section, `abuse`" in done.output
    assert ran(policies, log(tmp_path, 0, 10), rule="abuse").exit_code == 0


def test_a_rule_has_to_be_named_so_that_it_is_one(policies: Path, tmp_path: Path) -> None:
    file = log(tmp_path, 0, 10)
    unknown = ran(policies, file, rule="limits.wait")
    assert (unknown.exit_code, "there are: exchange: limits.weight" in unknown.output) == (2, True)
    (policies / "other.yaml").write_text(
        POLICY.replace("service: exchange", "service: other\nmatch: {hosts: [other.example.com]}")
    )
    twice = ran(policies, file)
    assert (twice.exit_code, "--service (exchange, other)" in twice.output) == (2, True)
    assert ran(policies, file, "--service", "exchange").exit_code == 0
