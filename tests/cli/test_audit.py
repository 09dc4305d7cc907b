"""With a verifier of its own, written from docs/audit.md alone, as a third party would."""

import base64
import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from typer.testing import CliRunner, Result

from guard.cli.main import app

VERBS = ["verify", "list", "export", "key"]
HOSTILE = '"},{"forged":1}\r\n\x1b[2J\x00é\u2028'


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GUARD_DATABASE_URL", "GUARD_SEALING_KEY_FILE", "GUARD_AUDIT_KEY_FILE", "GUARD_AUDIT_CHECKPOINTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GUARD_ACTOR", "alice")
    monkeypatch.setenv("GUARD_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("socket.gethostname", lambda: "desk")
    return tmp_path / "home"


def guard(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def done(*words: str) -> str:
    result = guard(*words)
    assert result.exit_code == 0, result.output
    return result.stdout


def broken(*words: str) -> str:
    result = guard("audit", "verify", *words)
    assert result.exit_code == 1
    return result.stdout


@pytest.fixture
def keys() -> None:
    """Four records."""
    for name in ("k1", "k2", "k3"):
        done("keys", "create", "--account", "acme", "--id", name)
    done("keys", "revoke", "k1", "--why", HOSTILE, "--actor", "mallory")


@pytest.fixture
def public_key(tmp_path: Path) -> Path:
    path = tmp_path / "audit.pem"
    path.write_text(done("audit", "key"))
    return path


@pytest.fixture
def export(keys: None, public_key: Path, tmp_path: Path) -> Path:  # noqa: ARG001  # made before
    path = tmp_path / "audit.jsonl"
    path.write_text(done("audit", "export"))
    return path


def independent(export: bytes, pem: bytes) -> int:
    """How many records of an export are proved. Raises ValueError or InvalidSignature if any is not."""
    public = load_pem_public_key(pem)
    assert isinstance(public, Ed25519PublicKey)
    hashes = ["0" * 64]
    signed = 0
    for line in export.decode("ascii").removesuffix("\n").split("\n"):
        if line.startswith('{"hash":"'):
            document = line[84:-1].encode()
            record = json.loads(document)
            if line[:9] + line[73:84] + line[-1] != '{"hash":"","record":}':
                raise ValueError("form")
            if (record["version"], record["number"]) != (1, len(hashes)) or signed:
                raise ValueError("number")
            if record["previous"] != hashes[-1] or line[9:73] != hashlib.sha256(document).hexdigest():
                raise ValueError("hash")
            hashes.append(line[9:73])
        else:
            head, signature = line[:-2].rsplit(',"signature":"', 1)
            document = head.removeprefix('{"checkpoint":').encode()
            public.verify(base64.b64decode(signature, validate=True), document)
            checkpoint = json.loads(document)
            if checkpoint["hash"] != hashes[checkpoint["count"]] or checkpoint["version"] != 1:
                raise ValueError("checkpoint")
            signed = max(signed, checkpoint["count"])
    if signed < len(hashes) - 1:
        raise ValueError("cut")
    return signed


def test_export_is_proved_by_a_verifier_that_was_written_from_the_document(export: Path, public_key: Path) -> None:
    assert independent(export.read_bytes(), public_key.read_bytes()) == 4


def test_both_verifiers_refuse_every_changed_byte(export: Path, public_key: Path, tmp_path: Path) -> None:
    content = export.read_bytes()
    changed = tmp_path / "changed.jsonl"
    for at in range(0, len(content) - 1, 97):
        changed.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises((ValueError, InvalidSignature, KeyError, IndexError)):
            independent(changed.read_bytes(), public_key.read_bytes())
        assert "BROKEN" in broken(str(changed), "--public-key", str(public_key))


@pytest.mark.usefixtures("keys")
def test_database_is_verified_with_its_own_key() -> None:
    assert done("audit", "verify").startswith("whole   4 records, 0 checkpoints\n")
    done("audit", "export")
    assert "The first 4 signed by key" in done("audit", "verify")
    assert json.loads(done("audit", "verify", "--json"))["signed_records"] == 4


def test_empty_trail_is_whole() -> None:
    assert done("audit", "verify").startswith("whole   0 records")
    assert done("audit", "export") == ""
    assert done("audit", "list") == ""


def test_broken_database_is_told_with_code_1(keys: None, home: Path) -> None:  # noqa: ARG001  # made before
    raw = sqlite3.connect(home / "guard.db")
    raw.execute("delete from audit_records where number = 2")
    raw.commit()
    raw.close()
    assert broken() == "BROKEN  line 2: record 2 is missing: after record 1 comes 3\n"
    told = json.loads(broken("--json"))
    assert told == {"whole": False, "line": 2, "fault": "record 2 is missing: after record 1 comes 3"}


def test_export_is_verified_where_there_is_no_database(
    export: Path, public_key: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GUARD_HOME", str(tmp_path / "auditor"))
    assert "4 signed by key" in done("audit", "verify", str(export), "--public-key", str(public_key))
    assert "NOT verified" in done("audit", "verify", str(export))
    assert not (tmp_path / "auditor").exists()


def test_cut_export_is_broken(export: Path, public_key: Path) -> None:
    lines = export.read_text().splitlines(keepends=True)
    for rest, told in (
        (lines[:3] + lines[4:], "the tail was cut off: 4 records were signed, and 3 are there"),
        (lines[:-1], "no checkpoint counts more than 0 of 4 records: the end was cut off"),
        (lines[:1] + lines[2:], "line 2: record 2 is missing"),
        ([*lines[:-1], lines[-1][:-20]], "line 5: the line is neither a record nor a checkpoint"),
    ):
        export.write_text("".join(rest))
        assert told in broken(str(export), "--public-key", str(public_key))


def test_export_signed_by_another_key_is_broken(export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARD_AUDIT_KEY_FILE", str(tmp_path / "other.key"))
    other = tmp_path / "other.pem"
    other.write_text(done("audit", "key"))
    assert "which is none of those given" in broken(str(export), "--public-key", str(other))
    assert "which is none of those given" in broken()


def test_checkpoints_kept_elsewhere_show_what_was_cut_everywhere_else(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, public_key: Path
) -> None:
    elsewhere = tmp_path / "checkpoints.jsonl"
    monkeypatch.setenv("GUARD_AUDIT_CHECKPOINTS", str(elsewhere))
    done("keys", "create", "--account", "acme", "--id", "k1")
    early = done("audit", "export")
    done("keys", "create", "--account", "acme", "--id", "k2")
    done("audit", "export")
    assert len(elsewhere.read_text().splitlines()) == 2
    (tmp_path / "early.jsonl").write_text(early)
    words = (str(tmp_path / "early.jsonl"), "--public-key", str(public_key))
    done("audit", "verify", *words)
    assert "the tail was cut off" in broken(*words, "--checkpoints", str(elsewhere))
    (home / "guard.db").unlink()
    done("keys", "create", "--account", "acme", "--id", "k1")
    assert "record 1 is not the one that was signed" in broken()


def test_line_that_is_too_long_is_no_line(tmp_path: Path) -> None:
    path = tmp_path / "huge.jsonl"
    path.write_bytes(b"x" * 3_000_000)
    assert broken(str(path)) == "BROKEN  line 1: the line is neither a record nor a checkpoint\n"


@pytest.mark.usefixtures("keys")
def test_list_shows_each_record_in_one_line_that_steers_no_terminal() -> None:
    lines = done("audit", "list").splitlines()
    assert [line.split("  ")[2].split(" by ")[0] for line in lines] == [
        *("create key k1", "create key k2", "create key k3", "deactivate key k1")
    ]
    assert all(line.isprintable() for line in lines)
    assert lines[0].endswith("create key k1 by alice from cli desk")


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        (("--subject", "k1"), [1, 4]),
        (("--subject", "key"), [1, 2, 3, 4]),
        (("--subject", "nobody"), []),
        (("--actor", "mallory"), [4]),
        (("--command", "create", "--subject", "k1"), [1]),
        (("--since", "1h"), [1, 2, 3, 4]),
        (("--since", "2000-01-01T00:00:00Z"), [1, 2, 3, 4]),
        (("--since", "2100-01-01T00:00:00+00:00"), []),
    ],
)
def test_list_shows_what_meets_every_filter(words: tuple[str, ...], numbers: list[int]) -> None:
    listed: list[dict[str, Any]] = [json.loads(line) for line in done("audit", "list", "--json", *words).splitlines()]
    assert [record["number"] for record in listed] == numbers


@pytest.mark.parametrize("since", ["yesterday", "2026-11-28T12:00:00", "5"])
def test_time_that_is_none_is_a_wrong_argument(since: str) -> None:
    assert guard("audit", "list", "--since", since).exit_code == 2


def test_record_that_cannot_be_read_ends_the_list(keys: None, home: Path) -> None:  # noqa: ARG001  # made before
    raw = sqlite3.connect(home / "guard.db")
    raw.execute("update audit_records set document = '{}' where number = 2")
    raw.commit()
    raw.close()
    result = guard("audit", "list")
    assert result.exit_code == 1
    assert "record 2 cannot be read: `guard audit verify` says what is broken" in result.stderr


def test_no_secret_is_in_an_export(export: Path, home: Path) -> None:
    content = export.read_text()
    assert "gs_" not in content
    for name in ("sealing.key", "audit.key"):
        assert (home / name).read_text().strip() not in content


def test_public_key_that_is_none_is_a_wrong_argument(export: Path, tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("rubbish")
    assert guard("audit", "verify", str(export), "--public-key", str(tmp_path / "no.pem")).exit_code == 2
    assert guard("audit", "verify", str(tmp_path / "nothing")).exit_code == 2


def test_audit_key_that_cannot_be_used_is_told(home: Path) -> None:
    done("audit", "key")
    (home / "audit.key").chmod(0o644)
    for verb in ("key", "export", "verify"):
        result = guard("audit", verb)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "can be read by others" in result.stderr


@pytest.mark.parametrize("verb", VERBS)
def test_each_help_begins_with_three_examples(verb: str) -> None:
    usage, _, *examples = guard("audit", verb, "--help").output.splitlines()
    assert usage.startswith("Usage: ")
    assert [line.startswith("  guard audit ") or "GUARD_" in line for line in examples[:4]] == [True, True, True, False]
