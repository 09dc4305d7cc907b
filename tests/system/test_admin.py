"""The admin API of a real `guard serve`, over sockets."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from guard.edges.admin.routes import ROUTES
from tests.ports import free_port
from tests.system.desk import Desk
from tests.system.gateway import RunningGateway, eventually, running_gateway
from tests.system.key_holder import Key, signed
from tests.system.raw_http import ask, message
from tests.system.recording_backend import RecordingBackend

pytestmark = pytest.mark.system

_CONFIGURATION = Path(__file__).parent / "schemathesis.toml"
_ENDLESS = "1000000"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, backend: RecordingBackend) -> Iterator[Desk]:
    port = free_port()
    environment = {
        "GUARD_ADMIN_LISTEN": f"127.0.0.1:{port}",
        "GUARD_ADMIN_CALLS_MAX": _ENDLESS,
        "GUARD_ADMIN_FAILURES_MAX": _ENDLESS,
    }
    with running_gateway(tmp_path_factory.mktemp("admin"), backend, environment=environment) as gateway:
        yield _desk(gateway, port)
        assert gateway.stop() == 0
        assert "Traceback" not in gateway.stderr


def _desk(gateway: RunningGateway, port: int) -> Desk:
    return Desk(gateway, port, (gateway.home / "admin.token").read_text().strip())


def test_a_key_made_over_http_opens_the_gateway_and_revoked_it_does_not(desk: Desk) -> None:
    made = desk.told("POST", "/admin/v1/keys", {"account": "acme", "scopes": ["read", "trade"]})
    key_id = made["key"]["id"]
    key = Key(id=key_id, secret=made["secret"].encode())
    gateway = desk.gateway
    eventually(lambda: gateway.ask(signed(key, "GET", "/v1/canary")).status == 200)
    shown = desk.told("POST", f"/admin/v1/keys/{key_id}/revoke", {"why": "a test"})
    assert (shown["key"]["state"], shown["nodes"]["in_force"], shown["nodes"]["nodes"]) == ("deactivated", True, 1)
    assert gateway.ask(signed(key, "GET", "/v1/canary")).code == "auth.revoked_key"
    history = desk.told("GET", f"/admin/v1/keys/{key_id}")["history"]
    assert [(each["actor"], each["from"], each["command"]) for each in history] == [
        ("bootstrap", "127.0.0.1", "create"),
        ("bootstrap", "127.0.0.1", "deactivate"),
    ]


def test_a_halt_made_over_http_is_in_force_when_its_answer_comes_and_lifted_it_is_not(desk: Desk) -> None:
    halted = desk.told("POST", "/admin/v1/halts", {"kind": "all", "why": "a test"})
    assert (halted["nodes"]["in_force"], halted["nodes"]["nodes"]) == (True, 1)
    assert desk.gateway.ask(desk.gateway.signed("GET", "/v1/canary")).code == "gateway.halted"
    lifted = desk.told("POST", f"/admin/v1/halts/{halted['halt']['id']}/lift", {"why": "over"})
    assert lifted["nodes"]["in_force"]
    assert desk.gateway.ask(desk.gateway.signed("GET", "/v1/canary")).status == 200


def test_the_admin_api_is_not_reached_through_the_data_plane(desk: Desk) -> None:
    gateway = desk.gateway
    token = (b"Authorization", f"Bearer {desk.token}".encode())
    mark = len(gateway.backend.record)
    for target in ("/admin/v1/keys", "/admin/v1/openapi.json", "/v1/../admin/v1/keys", "/livez", "//admin/v1/keys"):
        answer = ask(gateway.port, message("GET", target, [(b"Host", b"gateway.test"), token]))
        assert answer.status in (400, 404), (target, answer.body)
        assert b"openapi" not in answer.body
        assert b'"items"' not in answer.body
    absolute = f"http://127.0.0.1:{desk.port}/admin/v1/keys"
    assert ask(gateway.port, message("GET", absolute, [(b"Host", b"127.0.0.1"), token])).status in (400, 404, 421)
    assert len(gateway.backend.record) == mark
    forwarded = [(b"Host", b"127.0.0.1"), token, (b"Guard-Request-Id", b"req_1")]
    assert ask(desk.port, message("GET", "/admin/v1/keys", forwarded)).status == 403


def test_the_data_plane_is_not_reached_through_the_admin_api(desk: Desk) -> None:
    mark = len(desk.gateway.backend.record)
    answer = ask(desk.port, desk.gateway.signed("GET", "/v1/canary"))
    assert answer.status in (401, 421)
    assert len(desk.gateway.backend.record) == mark


def test_health_is_there_too(desk: Desk) -> None:
    for target in ("/livez", "/readyz"):
        assert ask(desk.port, message("GET", target, [(b"Host", b"somewhere")])).status == 200


def test_a_token_made_on_the_command_line_opens_the_running_api_and_revoked_it_does_not(desk: Desk) -> None:
    made = json.loads(desk.gateway.guard("admin", "tokens", "create", "--name", "ci", "--role", "viewer", "--json"))
    assert desk.ask("GET", "/admin/v1/keys", token=made["secret"]).status == 200
    assert desk.ask("GET", "/admin/v1/tokens", token=made["secret"]).status == 403
    desk.gateway.guard("admin", "tokens", "revoke", made["id"])
    assert desk.ask("GET", "/admin/v1/keys", token=made["secret"]).status == 401


def test_of_two_workers_neither_but_their_supervisor_serves_it_and_both_follow(
    tmp_path: Path, backend: RecordingBackend, redis_url: str
) -> None:
    port = free_port()
    environment = {"GUARD_ADMIN_LISTEN": f"127.0.0.1:{port}", "GUARD_STATE_URL": redis_url, "GUARD_STORE_MS_MAX": "500"}
    flags = ("--workers", "2")
    with running_gateway(tmp_path / "home", backend, environment=environment, flags=flags) as gateway:
        both = _desk(gateway, port)
        nodes = both.told("GET", "/admin/v1/nodes")["items"]
        assert len({node["pid"] for node in nodes} - {gateway.pid}) == 2
        made = both.told("POST", "/admin/v1/keys", {"account": "acme", "scopes": ["read"]})
        key = Key(id=made["key"]["id"], secret=made["secret"].encode())
        eventually(lambda: _all_of(gateway, key, 200))
        both.told("POST", f"/admin/v1/keys/{key.id}/revoke", {})
        eventually(lambda: _all_of(gateway, key, 401))
        assert gateway.stop() == 0


def _all_of(gateway: RunningGateway, key: Key, status: int) -> bool:
    """Whether twenty requests on connections of their own, which both workers get some of, have this answer."""
    return {gateway.ask(signed(key, "GET", "/v1/canary")).status for _ in range(20)} == {status}


def test_no_token_is_in_the_logs(desk: Desk) -> None:
    desk.ask("GET", "/admin/v1/keys", token=desk.token[:-1] + "x")
    for file in desk.gateway.home.glob("*.log"):
        assert desk.token[:-1].encode() not in file.read_bytes()


def test_schemathesis_finds_nothing(desk: Desk, tmp_path: Path) -> None:
    """Last, since it ends keys and tokens as it likes."""
    token = desk.told("POST", "/admin/v1/tokens", {"name": "schemathesis", "role": "admin"})["secret"]
    done = subprocess.run(  # noqa: S603  # our own environment
        [
            *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(_CONFIGURATION)),
            *("run", f"http://127.0.0.1:{desk.port}/admin/v1/openapi.json", "-H", f"Authorization: Bearer {token}"),
            *("--max-examples", "10", "--seed", "4", "--phases", "examples,coverage,fuzzing"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-1000:]
    assert f"Tested: {len(ROUTES)}" in done.stdout, done.stdout[-2000:]
