"""Whole runs of some seconds, and what is left of them."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from loadtests.crowd.catalogue import ROOT, SCENARIOS
from loadtests.crowd.keys import LoadKey
from loadtests.crowd.running import gateway

pytestmark = pytest.mark.system

LENIENT = "version: 1\nscenarios: {key_flood: {names: {flood: {p99: 5s}}, achieved: 50%}}\n"
STRICT = "version: 1\nscenarios: {steady: {names: {read: {p50: 1ms, min_rps: 100000}}, achieved: 50%}}\n"


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "guard", "loadtest", *words]


def of_our_session(session: int) -> list[str]:
    """The processes of a session that still run."""
    return [file.parent.name for file in Path("/proc").glob("[0-9]*/stat") if _runs_in(file, session)]


def _runs_in(file: Path, session: int) -> bool:
    """proc(5): after the name in brackets come the state, the parent, the group and the session."""
    try:
        state, _, _, its_session, *_ = file.read_text().rsplit(")", 1)[1].split()
    except OSError:
        return False
    return state != "Z" and int(its_session) == session


def test_a_key_that_floods_from_two_workers_gets_what_its_bucket_holds_and_the_verdict_says_so(tmp_path: Path) -> None:
    (tmp_path / "slo.yaml").write_text(LENIENT)
    words = ["run", "key_flood", "--duration", "3s", "--processes", "2", "--users", "8"]
    words += ["--slo", str(tmp_path / "slo.yaml"), "--out", str(tmp_path)]
    done = subprocess.run(command(*words), capture_output=True, text=True, check=False)  # noqa: S603  # our own program
    out = tmp_path / "key_flood"
    assert done.returncode == 0, done.stdout + done.stderr + (out / "locust.log").read_text()
    result = json.loads((out / "result.json").read_text())
    flood = result["names"]["flood"]
    # The bucket of exchange.yaml: 40, and 20 a second. Two workers ask for 80 a second.
    assert 40 < flood["answers"]["200"] <= 40 + 20 * 7
    assert flood["answers"]["429 limit.key"] > 20
    assert flood["answers"].keys() == {"200", "429 limit.key"}
    assert result["over_admission"] == {"ip": 0, "key": 0, "orders": 0, "cancels": 0}
    assert (out / "verdict.md").read_text().startswith("# key_flood: held\n")
    assert "<html" in (out / "report.html").read_text().lower()
    rows = list(csv.DictReader((out / "locust_stats.csv").read_text().splitlines()))
    assert [(row["Name"], row["Failure Count"]) for row in rows] == [("flood", "0"), ("Aggregated", "0")]


def test_a_breached_slo_ends_with_code_3_and_is_named(tmp_path: Path) -> None:
    (tmp_path / "slo.yaml").write_text(STRICT)
    words = ["run", "steady", "--duration", "2s", "--users", "2", "--slo", str(tmp_path / "slo.yaml")]
    done = subprocess.run(command(*words, "--out", str(tmp_path)), capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 3, done.stdout + done.stderr
    assert "breached: read: requests a second ≥ 100000, found" in done.stdout
    assert (tmp_path / "steady" / "verdict.md").read_text().startswith("# steady: BREACHED\n")
    assert json.loads((tmp_path / "steady" / "result.json").read_text())["exit_code"] == 3


def test_a_gateway_that_admits_more_than_its_policy_says_is_convicted(tmp_path: Path) -> None:
    """One that runs already, whose keys may do more than those that it is judged by."""
    policy = (
        (ROOT / "policies" / "exchange.yaml").read_text().replace("rate: 20/s, burst: 40", "rate: 500/s, burst: 500")
    )
    (tmp_path / "lax.yaml").write_text(policy)
    (tmp_path / "home").mkdir()
    (tmp_path / "slo.yaml").write_text(LENIENT)
    key = LoadKey("k_flood", "s" * 32, "acme")
    (tmp_path / "keys.jsonl").write_bytes(msgspec.json.encode(key))
    with gateway(tmp_path / "lax.yaml", [key], home=tmp_path / "home", log=tmp_path / "log") as running:
        words = ["run", "key_flood", "--duration", "2s", "--host", running.url, "--keys", str(tmp_path / "keys.jsonl")]
        words += ["--slo", str(tmp_path / "slo.yaml"), "--out", str(tmp_path)]
        done = subprocess.run(command(*words), capture_output=True, text=True, check=False)  # noqa: S603
        assert running.process.poll() is None  # it is not ours to stop
    assert done.returncode == 3, done.stdout + done.stderr
    by = json.loads((tmp_path / "key_flood" / "result.json").read_text())["over_admission"]["key"]
    assert by >= 10  # some 200 were asked for in two seconds, and 40 + 2 × 20 may be
    assert f"breached: admitted over a limit ≤ 0, found key {by}" in done.stdout


def test_ctrl_c_leaves_nothing_running_and_no_verdict(tmp_path: Path) -> None:
    words = command("run", "steady", "--duration", "60s", "--processes", "2", "--out", str(tmp_path))
    process = subprocess.Popen(words, start_new_session=True, stderr=subprocess.PIPE)  # noqa: S603  # our own program
    end = time.monotonic() + 30
    while not (tmp_path / "steady" / "locust_stats.csv").exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    assert len(of_our_session(process.pid)) >= 5  # itself, the gateway, Locust and its two workers
    os.kill(process.pid, signal.SIGINT)
    _, complaint = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"stopped; no verdict" in complaint
    assert of_our_session(process.pid) == []
    assert not (tmp_path / "steady" / "verdict.md").exists()


def test_the_list_names_every_scenario() -> None:
    done = subprocess.run(command("list"), capture_output=True, text=True, check=True)  # noqa: S603  # our own program
    assert [line.split()[0] for line in done.stdout.splitlines()] == [scenario.name for scenario in SCENARIOS]
