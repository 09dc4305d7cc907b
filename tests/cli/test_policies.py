import asyncio
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from guard.app.keys import open_vault
from guard.cli.main import app
from guard.model.names import UnixMs
from guard.settings import Settings
from guard.state.policy_history import Contents
from tests.app.test_gateway import POLICY
from tests.build import NOW, override
from tests.state.key_records import deed


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GUARD_HOME", str(tmp_path))
    return tmp_path


async def _reloaded(home: Path) -> None:
    async with open_vault(Settings(home=home)) as vault:
        before, after = (Contents(name * 7, {"p/a.yaml": f"{name}: 1\n".encode()}) for name in "ab")
        await vault.policies.add(before, after, "weakens 1", deed("reload", "INC-42\x1b[31m"))


def test_versions_are_listed_newest_first_with_who_why_and_what_they_changed(home: Path) -> None:
    assert CliRunner().invoke(app, ["policies", "list"]).stdout == "No policies were reloaded yet.\n"
    asyncio.run(_reloaded(home))
    lines = CliRunner().invoke(app, ["policies", "list"]).stdout.splitlines()
    assert lines[0].split() == ["DIGEST", "SINCE", "BY", "WHY", "CHANGED"]
    assert re.split("  +", lines[1]) == ["bbbbbbb", "2027-01-15T08:00:00Z", "alice", "INC-42�[31m", "weakens 1"]
    assert re.split("  +", lines[2]) == ["aaaaaaa", "2027-01-15T08:00:00Z", "-", "-", "-"]
    told = json.loads(CliRunner().invoke(app, ["policies", "list", "--json"]).stdout)
    assert [each["digest"] for each in told] == ["bbbbbbb", "aaaaaaa"]


def test_modes_that_are_others_for_a_while_stand_below_the_versions(home: Path) -> None:
    async def overridden() -> None:
        async with open_vault(Settings(home=home)) as vault:
            await vault.overrides.put(override("limits.weight", until=UnixMs(NOW * 2)), deed("override"))

    asyncio.run(overridden())
    lines = CliRunner().invoke(app, ["policies", "list"]).stdout.splitlines()
    assert lines[:2] == ["No policies were reloaded yet.", ""]
    assert lines[2] == "Modes that are others for a while:"
    assert lines[4].split()[:4] == ["mode_test", "all", "limits.weight", "shadow"]
    assert json.loads(CliRunner().invoke(app, ["policies", "list", "--json"]).stdout) == []


def test_the_files_of_a_version_are_shown_as_they_were(home: Path) -> None:
    asyncio.run(_reloaded(home))
    assert CliRunner().invoke(app, ["policies", "show", "aaaaaaa"]).stdout == "# p/a.yaml\na: 1\n\n"
    told = json.loads(CliRunner().invoke(app, ["policies", "show", "bbbbbbb", "--json"]).stdout)
    assert told == {"p/a.yaml": "b: 1\n"}
    unknown = CliRunner().invoke(app, ["policies", "show", "0000000"])
    assert (unknown.exit_code, "no version 0000000" in unknown.stderr) == (2, True)


def test_a_database_that_cannot_be_used_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARD_DATABASE_URL", "sqlite:////")
    done = CliRunner().invoke(app, ["policies", "list"])
    assert done.exit_code == 1
    assert "database" in done.stderr


def _directory(home: Path) -> Path:
    folder = home / "policies"
    folder.mkdir()
    (folder / "exchange.yaml").write_text(POLICY)
    return folder


def _keygen(home: Path) -> str:
    made = CliRunner().invoke(app, ["policies", "keygen", str(home / "security.key")])
    assert made.exit_code == 0
    (home / "signers.pem").write_text(made.stdout)
    return made.stdout.split()[1]


def test_a_directory_is_signed_and_checked_with_its_signature(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, signer = _directory(home), _keygen(home)
    assert (home / "security.key").stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv("GUARD_POLICY_SIGNERS_FILE", str(home / "signers.pem"))
    unsigned = CliRunner().invoke(app, ["check", str(folder), "--format", "concise"])
    assert (unsigned.exit_code, "error[P193]: these policies are not signed" in unsigned.stdout) == (3, True)
    done = CliRunner().invoke(app, ["policies", "sign", str(folder), "--key", str(home / "security.key")])
    assert done.stdout == f"1 files signed by {signer}: {folder}/policies.sig\n"
    checked = CliRunner().invoke(app, ["check", str(folder)])
    assert (checked.exit_code, checked.stdout.startswith("1 files ok")) == (0, True)
    (folder / "exchange.yaml").write_text(POLICY + "mode: shadow\n")
    changed = CliRunner().invoke(app, ["check", str(folder), "--format", "concise"])
    assert (changed.exit_code, "P193" in changed.stdout) == (3, True)


def test_a_start_without_a_valid_signature_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = _directory(home)
    _keygen(home)
    monkeypatch.setenv("GUARD_POLICY_SIGNERS_FILE", str(home / "signers.pem"))
    refused = CliRunner().invoke(app, ["serve", "--policies", str(folder)])
    assert (refused.exit_code, "these policies are not signed" in refused.stderr) == (3, True)


def test_a_key_is_never_overwritten_and_what_cannot_be_signed_is_not(home: Path) -> None:
    folder = _directory(home)
    _keygen(home)
    again = CliRunner().invoke(app, ["policies", "keygen", str(home / "security.key")])
    assert (again.exit_code, "is there already" in again.stderr) == (1, True)
    nowhere = CliRunner().invoke(app, ["policies", "keygen", str(home / "signers.pem" / "key")])
    assert (nowhere.exit_code, "cannot be made" in nowhere.stderr) == (1, True)
    missing = CliRunner().invoke(app, ["policies", "sign", str(folder), "--key", str(home / "none.key")])
    assert (missing.exit_code, "`guard policies keygen FILE` makes one" in missing.stderr) == (1, True)
    (folder / "exchange.yaml").write_text("version: 1\n")
    faulty = CliRunner().invoke(app, ["policies", "sign", str(folder), "--key", str(home / "security.key")])
    assert (faulty.exit_code, (folder / "policies.sig").exists()) == (3, False)
