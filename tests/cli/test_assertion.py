import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from typer.testing import CliRunner

from guard.cli.main import app


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GUARD_HOME", str(tmp_path))
    return tmp_path


def test_the_key_is_made_once_and_only_its_public_part_is_printed(home: Path) -> None:
    first, second = (CliRunner().invoke(app, ["assertion"]) for _ in range(2))
    assert first.exit_code == 0
    assert first.stdout == second.stdout
    [key] = json.loads(first.stdout)["keys"]
    assert key.keys() == {"kty", "crv", "x", "kid", "alg", "use"}
    assert (home / "assertion.key").stat().st_mode & 0o077 == 0
    assert (home / "assertion.key").read_text().strip() not in first.stdout


def test_pem_is_a_public_key_file() -> None:
    pem = CliRunner().invoke(app, ["assertion", "--pem"]).stdout
    assert pem.startswith("-----BEGIN PUBLIC KEY-----\n")
    assert pem.endswith("-----END PUBLIC KEY-----\n")
    load_pem_public_key(pem.encode())


def test_a_key_that_cannot_be_used_is_a_sentence_and_not_made_anew(home: Path) -> None:
    (home / "assertion.key").write_text("rubbish")
    (home / "assertion.key").chmod(0o600)
    refused = CliRunner().invoke(app, ["assertion"])
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "is no assertion key" in refused.stderr
    assert (home / "assertion.key").read_text() == "rubbish"
