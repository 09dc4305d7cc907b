"""guard as the benchmark serves it: a user's scheme, imported keys, the right answers."""

import hmac
import http.client
import json
import os
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from guard.policy.load import Invalid
from guard.service.policies import read_rulebook
from loadtests.bench.backend import backend
from loadtests.bench.gateway import free_port, serving
from loadtests.bench.load import warm
from loadtests.bench.serving import HERE, PROFILES, decision_log, leave_out
from loadtests.bench.signed import Kind


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("without", [(), ("fields",), ("limits",)])
def test_policies_are_valid_whatever_is_left_out(
    profile: str, without: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_BACKEND", "http://127.0.0.1:9100")
    for file in (HERE / "policies" / profile).iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    leave_out(tmp_path / "bench.yaml", without)
    assert not isinstance(read_rulebook(tmp_path), Invalid)


def test_what_is_left_out_is_left_out(tmp_path: Path) -> None:
    policy = tmp_path / "bench.yaml"
    policy.write_bytes((HERE / "policies" / "real" / "bench.yaml").read_bytes())
    assert set(yaml.safe_load(policy.read_text())["limits"]) > {"ip", "key", "account", "route"}
    leave_out(policy, ["fields"])
    assert {limit["expose"] for limit in yaml.safe_load(policy.read_text())["limits"].values()} == {False}
    leave_out(policy, ["limits"])
    assert set(yaml.safe_load(policy.read_text())["limits"]) == {"exhausted-key", "exhausted-address"}


def test_only_the_whole_real_profile_writes_decisions(tmp_path: Path) -> None:
    written = str(tmp_path / "decisions.jsonl")
    assert decision_log(tmp_path, "real", ()) == decision_log(tmp_path, "real", ["fields"]) == written
    assert decision_log(tmp_path, "base", ()) == decision_log(tmp_path, "real", ["log"]) != written


@pytest.mark.system
def test_a_request_signed_in_five_lines_is_served_and_the_process_is_guard() -> None:
    with backend() as url, serving("base", backend=url) as gateway:
        body, path = '{"a":1}', "/api/v3/order"
        now, nonce = str(time.time_ns() // 1_000_000), os.urandom(12).hex()
        base = f"{now}{nonce}POST{path}{body}"
        signature = hmac.digest(b"secret-secret-secret-secret-999", base.encode(), "sha256").hex()
        fields = {"X-Api-Key": "key999", "X-Timestamp": now, "X-Nonce": nonce, "X-Signature": signature}
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=5)
        connection.request("POST", path, body, fields)
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["status"]) == (200, "NEW")
        assert answer.headers["RateLimit"] == '"key";r=999999;t=1'
        connection.close()
        assert b"guard\0serve" in Path(f"/proc/{gateway.pid}/cmdline").read_bytes()


@pytest.mark.system
@pytest.mark.parametrize("profile", PROFILES)
def test_each_kind_of_request_gets_the_answer_that_it_is_named_for(profile: str) -> None:
    with backend() as url, serving(profile, backend=url) as gateway:
        for kind in Kind:
            warm(gateway, kind)


@pytest.mark.system
def test_a_port_that_is_taken_is_one_clear_sentence() -> None:
    with backend() as url:
        port = url.rpartition(":")[2]
        done = _serve("--port", port)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: port {port} of 127.0.0.1 is taken: choose another --port, or stop what uses it\n"


@pytest.mark.system
def test_a_state_that_guard_does_not_know_is_its_own_refusal() -> None:
    done = _serve("--port", str(free_port()), "--state", "nonsense://")
    assert done.returncode == 2
    assert done.stderr.startswith("error: GUARD_STATE_URL")
    assert "Traceback" not in done.stderr


def _serve(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([HERE / "serve", *words], capture_output=True, text=True, timeout=30, check=False)  # noqa: S603  # our own program
