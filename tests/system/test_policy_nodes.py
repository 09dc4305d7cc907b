"""Two nodes on one Redis and one PostgreSQL, each with policy files of its own: what becomes of a change that both
read, or that one of them is asked for, and what they make of files that are meant to hurt the reader.
"""

import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from guard.cli.policies import app as policies_app
from guard.policy.load import Loaded, load_text
from tests.measured import measured
from tests.policy.hostile import KINDS, content_of
from tests.ports import free_port
from tests.servers.postgres import fresh_database
from tests.soak.policy_swaps import PATIENT
from tests.soak.watched import MIB, Watched
from tests.system.desk import Desk
from tests.system.gateway import RunningGateway, eventually, running_gateway, running_peer
from tests.system.raw_http import Connection, Response, ask, message
from tests.system.recording_backend import RecordingBackend

pytestmark = pytest.mark.system

_FOLLOWED_S = 15.0
"""Nodes ask each second what was ordered or confirmed; a busy machine is late."""

_CPU_S_MAX = 6.0
_GROWN_BYTES_MAX = 200 * MIB
"""What a file may cost a process that reads it. By itself that is less than 2 s (docs/promises.md): here the process
serves beside it, on a machine that others use.
"""

_START_BYTES = 128 * MIB
_HOSTILE = "hostile.yaml"

_POLICY = """\
version: 1
service: exchange
upstream: {url}
dual_control: {{changes: weakens}}
limits:
  key: {{per: [key], rate: {rate}/s, burst: 100}}
  once: {{mode: shadow, per: [key], rate: 10/h, burst: 1, routes: [rare]}}
routes:
  GET /v1/{{rest...}}: {{scope: read}}
  GET /rare: {{scope: read, group: rare}}
"""


class Pair(msgspec.Struct, frozen=True):
    """Both nodes are ready. `one` is Alice's, `other` Bob's admin API; `key` signs policies."""

    one: Desk
    other: Desk
    key: Path

    @property
    def nodes(self) -> tuple[RunningGateway, RunningGateway]:
        return self.one.gateway, self.other.gateway

    def policy(self, rate: int) -> str:
        return _policy(self.nodes[0].backend, rate)

    def write(self, text: str, *, signed: bool = True) -> None:
        """The same files for both nodes."""
        for node in self.nodes:
            (node.policies / _HOSTILE).unlink(missing_ok=True)
            _write(node.policies, text)
            if signed:
                _sign(node.policies, self.key)

    def hang_up(self) -> None:
        """Have both read their files."""
        for node in self.nodes:
            os.kill(node.pid, signal.SIGHUP)

    def until(self, text: str) -> None:
        """Until both run this, and nothing else is to be told of them."""
        for node in self.nodes:
            eventually(partial(_runs, node, text), _FOLLOWED_S)

    def brought(self, text: str) -> None:
        """Both run this, whatever was before; a second person confirms it, if that must be."""
        self.write(text)
        for desk in (self.one, self.other):
            release = desk.told("POST", "/admin/v1/policy:reload", {"why": "a test begins"})["release"]
            if release:
                confirmer = self.other if desk is self.one else self.one
                confirmer.told("POST", f"/admin/v1/releases/{release}/confirm", {})
        self.until(text)

    def rolled_back(self, desk: Desk, text: str) -> Any:
        """What a call tells that puts these policies in force again."""
        return desk.told("POST", "/admin/v1/policy:rollback", {"digest": _digest(text), "why": "INC-42"})

    def latest(self) -> dict[str, Any]:
        """The newest version in the history."""
        versions: list[dict[str, Any]] = self.other.told("GET", "/admin/v1/policy/versions")["items"]
        return versions[0]


@pytest.fixture(scope="module")
def pair(
    tmp_path_factory: pytest.TempPathFactory, backend: RecordingBackend, redis_of_session: str, postgres_of_session: str
) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("pair")
    key = folder / "security.key"
    signers = CliRunner().invoke(policies_app, ["keygen", str(key)]).output
    homes = [folder / name for name in ("one", "other")]
    for home in homes:
        (home / "policies").mkdir(parents=True)
        (home / "signers.pem").write_text(signers)
        _write(home / "policies", _policy(backend, 100))
        _sign(home / "policies", key)
    ports = free_port(), free_port()
    with fresh_database(postgres_of_session) as url:
        first, second = homes
        shared = {"GUARD_STATE_URL": redis_of_session, "GUARD_DATABASE_URL": url}
        shared |= {"GUARD_STORE_MS_MAX": "1000", "GUARD_POLICIES_WATCH_MS": "0", **PATIENT}
        own, peers = (_own(home, port) for home, port in zip(homes, ports, strict=True))
        with (
            running_gateway(
                first, backend, policies=first / "policies", environment={**shared, **own}, administered=url
            ) as one,
            running_peer(one, second, policies=second / "policies", **peers) as other,
        ):
            bootstrap = Desk(one, ports[0], (first / "admin.token").read_text().strip())
            yield Pair(_desk(bootstrap, "alice"), _desk(Desk(other, ports[1], bootstrap.token), "bob"), key)
            for node in (one, other):
                assert "Traceback" not in node.stderr


def _own(home: Path, admin_port: int) -> dict[str, str]:
    return {
        "GUARD_ADMIN_LISTEN": f"127.0.0.1:{admin_port}",
        "GUARD_POLICY_SIGNERS_FILE": str(home / "signers.pem"),
    }


def _desk(desk: Desk, name: str) -> Desk:
    """The same API, which listens a moment after its node is ready, with a token of its own."""
    eventually(lambda: _listens(desk.port))
    made = desk.told("POST", "/admin/v1/tokens", {"name": name, "role": "admin"})
    return Desk(desk.gateway, desk.port, made["secret"])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _policy(backend: RecordingBackend, rate: int) -> str:
    return _POLICY.format(url=backend.url, rate=rate)


def _write(folder: Path, text: str) -> None:
    (folder / "exchange.yaml").write_text(text)


def _sign(folder: Path, key: Path) -> None:
    done = CliRunner().invoke(policies_app, ["sign", str(folder), "--key", str(key)])
    assert done.exit_code == 0, done.output


def _digest(text: str) -> str:
    found = load_text({"exchange.yaml": text})
    assert isinstance(found, Loaded), found
    return found.policies.digest


def _ready(node: RunningGateway) -> tuple[str, list[str]]:
    """Which policies a node that serves runs, and what it says must be known, but for keys that were polled late."""
    answer = node.readyz()
    assert answer.status == 200, answer.body
    told = json.loads(answer.body)
    return told["policy"], [each for each in told["degraded"] if not each.startswith("keys: ")]


def _runs(node: RunningGateway, text: str, *told: str) -> bool:
    """Whether it runs these policies, and says this and no more."""
    return _ready(node) == (_digest(text), list(told))


def _worried(node: RunningGateway) -> tuple[str, list[str]] | None:
    """The same as `_ready`, once there is anything that must be known."""
    found = _ready(node)
    return found if found[1] else None


def _reloads_well(node: RunningGateway) -> bool:
    body = ask(node.health_port, message("GET", "/metrics", [(b"Host", b"health")])).body
    return b"guard_policy_last_reload_successful 1.0" in body


def _rare(node: RunningGateway) -> Response:
    return node.ask(node.signed("GET", "/rare"))


def test_signed_policies_are_taken_by_both_nodes_and_with_a_byte_changed_by_neither(pair: Pair) -> None:
    pair.brought(pair.policy(100))
    narrow = pair.policy(90)
    pair.write(narrow)
    pair.hang_up()
    pair.until(narrow)
    pair.write(narrow.replace("90/s", "91/s"), signed=False)
    pair.hang_up()
    for node in pair.nodes:
        digest, [told] = eventually(partial(_worried, node), _FOLLOWED_S)
        assert digest == _digest(narrow)
        assert told.startswith("policy: stale, a reload was refused: 1 errors")
        assert "(P193)" in told
        assert not _reloads_well(node)
        assert "the signature of the policies does not count" in node.stderr
        node.assert_alive()
    pair.write(narrow, signed=False)
    pair.hang_up()
    pair.until(narrow)
    assert all(_reloads_well(node) for node in pair.nodes)


def test_what_weakens_waits_on_both_nodes_until_another_confirms_it_on_the_other_node(pair: Pair) -> None:
    """History names who asked and who confirmed, though one of the nodes read the files by itself."""
    narrow, wide = pair.policy(80), pair.policy(85)
    pair.brought(narrow)
    pair.write(wide)
    os.kill(pair.other.gateway.pid, signal.SIGHUP)
    eventually(partial(_worried, pair.other.gateway), _FOLLOWED_S)
    [release] = [each["id"] for each in pair.one.told("GET", "/admin/v1/releases?state=pending")["items"]]
    pair.other.told("POST", f"/admin/v1/releases/{release}/reject", {"why": "asked by nobody"})
    eventually(lambda: "was not confirmed" in _ready(pair.other.gateway)[1][0], _FOLLOWED_S)
    asked = pair.one.told("POST", "/admin/v1/policy:reload", {"why": "INC-1"})
    assert (asked["outcome"], asked["digest"]) == ("waiting", _digest(narrow))
    os.kill(pair.other.gateway.pid, signal.SIGHUP)
    waits = f"policy: a change waits for a second person: `guard releases confirm {asked['release']}`"
    for node in pair.nodes:
        eventually(partial(_runs, node, narrow, waits), _FOLLOWED_S)
        node.assert_alive()
    confirm = f"/admin/v1/releases/{asked['release']}/confirm"
    assert pair.other.ask("POST", confirm, {}, token=pair.one.token).status == 403
    pair.other.told("POST", confirm, {"why": "agreed"})
    pair.until(wide)
    made = pair.latest()
    assert (made["digest"], made["actor"]) == (_digest(wide), "alice")
    assert made["why"] == "INC-1: weakens 1, tightens 0, renames 0, neutral 0; confirmed by bob"
    assert made["summary"] == "weakens 1, tightens 0, renames 0, neutral 0"


def test_going_back_on_one_node_is_in_force_on_the_other_and_waits_there_too_if_it_weakens(pair: Pair) -> None:
    narrow, wide, first = pair.policy(60), pair.policy(70), pair.policy(100)
    pair.brought(narrow)
    pair.brought(wide)
    done = pair.rolled_back(pair.one, narrow)
    assert (done["outcome"], done["digest"]) == ("swapped", _digest(narrow))
    pair.until(narrow)
    followed = pair.other.told("GET", "/admin/v1/policy")["last_reload"]
    assert (followed["by"], followed["why"]) == ("alice", "INC-42")
    files = pair.other.told("GET", "/admin/v1/policy/files")["files"]
    assert {Path(path).parent for path in files} == {pair.other.gateway.policies}
    made = pair.latest()
    assert (made["digest"], made["actor"], made["why"]) == (_digest(narrow), "alice", "INC-42")
    assert made["summary"] == "weakens 0, tightens 1, renames 0, neutral 0"
    waits = pair.rolled_back(pair.one, first)
    assert waits["outcome"] == "waiting"
    pair.other.told("POST", f"/admin/v1/releases/{waits['release']}/confirm", {})
    pair.until(first)


def test_a_node_that_cannot_go_back_says_so_and_follows_when_it_is_asked_for_once_more(pair: Pair) -> None:
    narrow, wide = pair.policy(50), pair.policy(55)
    pair.brought(narrow)
    pair.brought(wide)
    other = pair.other.gateway
    signers, away = other.home / "signers.pem", other.home / "signers.away"
    signers.rename(away)
    assert pair.rolled_back(pair.one, narrow)["outcome"] == "swapped"
    digest, [told] = eventually(partial(_worried, other), _FOLLOWED_S)
    assert (digest, "(P193)" in told) == (_digest(wide), True)
    other.assert_alive()
    away.rename(signers)
    assert pair.rolled_back(pair.one, narrow)["outcome"] == "unchanged"
    pair.until(narrow)


def test_a_mode_that_is_overridden_on_one_node_is_in_force_on_the_other_and_ends_on_both_by_itself(pair: Pair) -> None:
    pair.brought(pair.policy(100_000))
    order = {"rule": "limits.once", "mode": "enforce", "for_ms": 3000, "why": "an attack"}
    assert [_rare(node).status for node in pair.nodes] == [200, 200]
    told = pair.one.told("POST", "/admin/v1/modes", order)
    assert (told["nodes"]["in_force"], told["nodes"]["nodes"]) == (True, 2)
    assert told["nodes"]["after_ms"] <= 1400  # a second, and what a busy machine adds: `make faults` measures it
    assert [_rare(node).code for node in pair.nodes] == ["limit.once"] * 2
    assert all(told["override"]["id"] in _ready(node)[1][0] for node in pair.nodes)
    eventually(lambda: [_rare(node).status for node in pair.nodes] == [200, 200], 6.0)
    pair.until(pair.policy(100_000))
    weaker = pair.other.ask("POST", "/admin/v1/modes", {**order, "rule": "limits.key", "mode": "off"})
    assert (weaker.status, b"a second person" in weaker.body) == (403, True)
    [record, *_] = pair.other.told("GET", "/admin/v1/audit?command=override")["items"]
    assert (record["actor"], record["why"]) == ("alice", "an attack")


@pytest.mark.parametrize("kind", KINDS)
def test_a_running_node_refuses_what_is_meant_to_hurt_it_and_serves_on_meanwhile(pair: Pair, kind: str) -> None:
    node, good = pair.other.gateway, pair.policy(100_000)
    pair.brought(good)
    watched = Watched(node.pid)
    for name in KINDS[kind]:
        (node.policies / _HOSTILE).write_bytes(content_of(name))
        cpu_s, held_bytes, refused = watched.cpu_s, watched.held_bytes_max, node.stderr.count("policy.refused")
        os.kill(node.pid, signal.SIGHUP)
        statuses = []
        with Connection(node.port) as connection:
            while node.stderr.count("policy.refused") == refused:
                statuses.append(connection.ask(node.signed("GET", "/v1/canary")).status)
                time.sleep(0.01)  # what is measured is reading files, not serving
        assert set(statuses) <= {200}, name
        assert watched.cpu_s - cpu_s < _CPU_S_MAX, name
        assert watched.held_bytes_max - held_bytes < _GROWN_BYTES_MAX, name
        digest, [told] = _ready(node)
        assert (digest, "policy: stale" in told) == (_digest(good), True)
    pair.brought(good)


def test_neither_check_nor_start_takes_long_over_what_is_meant_to_hurt_them(pair: Pair, tmp_path: Path) -> None:
    """All kinds in one directory: each is told, within what a start costs and the bound."""
    names = [name for kind in KINDS.values() for name in kind]
    folder = tmp_path / "policies"
    shutil.copytree(pair.one.gateway.policies, folder)
    for name in names:
        (folder / f"{name.replace('_', '-')}.yaml").write_bytes(content_of(name))
    for words in (("check", str(folder)), ("serve", "--policies", str(folder), "--listen", "127.0.0.1:0")):
        code, told, spent = measured(*words, home=tmp_path)
        assert code == 3, told
        assert "Traceback" not in told
        assert len(told) < 100_000
        assert [name for name in names if f"{name.replace('_', '-')}.yaml" not in told] == []
        assert spent.cpu_s < 2 * _CPU_S_MAX
        assert spent.held_bytes_max < _START_BYTES + _GROWN_BYTES_MAX
