"""What we hand to operators, read by the validators of the programs that will read it. No engine, no cluster."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from guard.model.names import UnixMs
from guard.model.questions import Granted, Replayed
from guard.policy.load import Loaded, load_policies
from guard.settings import Settings
from guard.state.redis.limits import open_redis
from tests.contract.limit_store import charge, debit, once
from tests.ports import free_port
from tests.server.in_memory import until

pytestmark = pytest.mark.system  # validators that `make test` installs

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
BIN = Path(sys.executable).parent
SETTING = re.compile(r"\bGUARD_[A-Z0-9_]+")
NO_SETTINGS = {"GUARD_KEY_ID", "GUARD_KEY_SECRET", "GUARD_ACTOR"}


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  # our own files, and validators that are installed
        command, capture_output=True, text=True, check=False, timeout=120
    )


def test_every_variable_that_is_set_is_a_setting() -> None:
    known = {f"GUARD_{name.upper()}" for name in Settings.model_fields} | NO_SETTINGS
    files = [path for path in DEPLOY.rglob("*") if path.is_file() and path.suffix not in (".md", ".lua")]
    assert len(files) > 5
    unknown = {(str(path), name) for path in files for name in SETTING.findall(path.read_text()) if name not in known}
    assert unknown == set()


def test_dockerfile_has_nothing_that_hadolint_would_say() -> None:
    found = run(str(BIN / "hadolint"), str(DEPLOY / "docker" / "Dockerfile"))
    assert (found.returncode, found.stdout) == (0, "")


def test_image_runs_as_nobody_and_takes_what_it_needs_only() -> None:
    text = (DEPLOY / "docker" / "Dockerfile").read_text()
    final = text.rpartition("\nFROM ")[2]
    assert "\nUSER 10001:10001\n" in final
    assert "pip install" not in final
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"


def test_compose_file_has_the_shape_that_compose_demands() -> None:
    found = run(
        str(BIN / "check-jsonschema"),
        *("--builtin-schema", "vendor.compose-spec", str(DEPLOY / "compose" / "compose.yaml")),
    )
    assert found.returncode == 0, found.stdout


def test_every_service_of_ours_is_hardened_and_bound_to_this_machine() -> None:
    services = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())["services"]
    for name in ("guard-1", "guard-2", "exchange", "redis"):
        assert services[name]["read_only"] is True, name
        assert services[name]["cap_drop"] == ["ALL"], name
        assert services[name]["security_opt"] == ["no-new-privileges:true"], name
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_files_that_compose_mounts_are_there_or_made_by_its_script(tmp_path: Path) -> None:
    copy = tmp_path / "deploy"
    shutil.copytree(DEPLOY, copy, ignore=shutil.ignore_patterns("secrets", ".env"))
    assert run(str(copy / "compose" / "secrets.sh")).returncode == 0
    assert run(str(copy / "compose" / "secrets.sh")).returncode == 1  # never over what is there
    content = yaml.safe_load((copy / "compose" / "compose.yaml").read_text())
    for secret in content["secrets"].values():
        assert (copy / "compose" / secret["file"]).is_file()
    mounts = [mount for service in content["services"].values() for mount in service.get("volumes", ())]
    for source in (mount.partition(":")[0] for mount in mounts if mount.startswith(".")):
        assert (copy / "compose" / source).exists(), source
    assert "CHANGE-ME" not in (copy / "compose" / "secrets" / "users.acl").read_text()


def test_policies_of_compose_load_without_a_warning() -> None:
    loaded = load_policies(DEPLOY / "compose" / "policies")
    assert isinstance(loaded, Loaded)
    assert loaded.warnings == ()


def test_systemd_unit_exposes_little() -> None:
    found = run(
        "systemd-analyze", "security", "--offline=true", "--threshold=20", str(DEPLOY / "systemd" / "guard.service")
    )
    assert found.returncode == 0, found.stdout[-2000:]


def test_systemd_unit_waits_longer_than_the_drain() -> None:
    unit = (DEPLOY / "systemd" / "guard.service").read_text()
    (stop,) = re.findall(r"^TimeoutStopSec=(\d+)s$", unit, re.MULTILINE)
    assert int(stop) * 1000 > Settings().drain_ms_max


def test_examples_name_versions_that_guard_supports() -> None:
    content = json.dumps(yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text()))
    assert re.search(r"redis:(7|8)\.", content)
    assert "noeviction" in (DEPLOY / "redis" / "redis.conf").read_text()


async def test_a_redis_as_we_say_it_should_be_serves_the_user_that_we_say(tmp_path: Path) -> None:
    (tmp_path / "users.acl").write_text((DEPLOY / "redis" / "users.acl").read_text().replace("CHANGE-ME", "secret"))
    port = free_port()
    here = ("--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path))
    config = ("redis-server", str(DEPLOY / "redis" / "redis.conf"), "--aclfile", str(tmp_path / "users.acl"), *here)
    server = subprocess.Popen(config, stdout=subprocess.DEVNULL)  # noqa: ASYNC220, S603  # our own file
    try:
        store = await open_redis(f"redis://guard:secret@127.0.0.1:{port}", timeout_ms=1000)
        try:
            await until(lambda: store.born_at is not None)
            now = UnixMs(store.born_at or 0)
            message = once(signed_at=now + 60_000, forget_after=now + 90_000)
            answers = [await store.charge(charge(name, debit(0), message=message)) for name in ("a", "b")]
            assert [type(answer) for answer in answers] == [Granted, Replayed]
        finally:
            await store.close()
    finally:
        server.terminate()
        server.wait(10)
