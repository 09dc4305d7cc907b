import json
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner, Result

from guard.cli.keys import app

CANARY = "gs_canary-that-must-not-be-seen"
MEMBERS = ["id", "secret", "account", "scopes", "algorithm", "state", "expires_at_ms"]
VERBS = ["create", "list", "show", "rotate", "suspend", "resume", "revoke", "compromise", "destroy", "import", "export"]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GUARD_DATABASE_URL", "GUARD_SEALING_KEY_FILE", "GUARD_ACTOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GUARD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "home"


def guard_keys(*words: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, list(words), input=stdin)


def told(*words: str, stdin: str | None = None) -> dict[str, object]:
    result = guard_keys(*words, "--json", stdin=stdin)
    assert result.exit_code == 0, result.output
    answer: dict[str, object] = json.loads(result.stdout)
    return answer


def made(*words: str) -> str:
    return str(told("create", "--account", "acme", "--scopes", "read,trade", *words)["id"])


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    public = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key()
    path = tmp_path / "acme.pem"
    path.write_bytes(public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    return path


def test_first_key_makes_home_database_and_sealing_key_for_its_owner_alone(home: Path) -> None:
    made()
    assert {each.name for each in home.iterdir()} == {"guard.db", "sealing.key"}
    modes = [stat.S_IMODE(each.stat().st_mode) for each in (home, home / "guard.db", home / "sealing.key")]
    assert modes == [0o700, 0o600, 0o600]


def test_created_key_is_told_with_exactly_these_members() -> None:
    answer = told("create", "--account", "acme", "--scopes", "trade, read")
    assert list(answer) == MEMBERS
    assert str(answer["id"]).startswith("gk_")
    assert str(answer["secret"]).startswith("gs_")
    assert [answer[name] for name in MEMBERS[2:]] == ["acme", ["read", "trade"], "hmac-sha256", "active", None]


def test_public_key_has_no_secret_to_tell(pem: Path) -> None:
    answer = told("create", "--account", "acme", "--algorithm", "ed25519", "--public-key", str(pem))
    assert list(answer) == [name for name in MEMBERS if name != "secret"]


def test_public_key_may_be_a_file_of_raw_bytes(tmp_path: Path) -> None:
    raw = tmp_path / "raw.key"
    raw.write_bytes(Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key().public_bytes_raw())
    assert told("create", "--account", "a", "--algorithm", "ed25519", "--public-key", str(raw))["state"] == "active"


def test_private_key_is_refused(tmp_path: Path) -> None:
    private = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path / "private.pem"
    path.write_bytes(private)
    result = guard_keys("create", "--account", "a", "--algorithm", "ed25519", "--public-key", str(path))
    assert result.exit_code == 1
    assert "this is a PRIVATE key" in result.stderr


def test_secret_is_shown_once_with_that_sentence() -> None:
    result = guard_keys("create", "--account", "acme", "--id", "k1")
    assert result.output.count("gs_") == 1
    assert "The secret is shown this once." in result.output
    assert "account acme, scopes none, hmac-sha256, from anywhere" in result.output


def test_api_key_is_shown_with_the_field_that_sends_it() -> None:
    result = guard_keys("create", "--account", "acme", "--id", "k1", "--algorithm", "api-key")
    secret = next(line.split()[1] for line in result.output.splitlines() if line.startswith("secret"))
    assert f"Guard-Api-Key: k1.{secret}" in result.output


def test_expiry_is_counted_from_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 1_800_000_000_000_999_999)
    answer = told("create", "--account", "acme", "--expires", "90d")
    assert answer["expires_at_ms"] == 1_800_000_000_000 + 90 * 86_400_000


NARROW = ("--use", "reads", "--only", "symbol=ETH-USD, BTC-USD", "--only", "side=sell")


def test_options_reach_the_record() -> None:
    key_id = made("--networks", "10.0.0.0/8,192.0.2.1", "--tier", "gold", "--label", "desk 7", "--id", "k1", *NARROW)
    shown = told("show", key_id)
    assert (shown["id"], shown["tier"], shown["label"]) == ("k1", "gold", "desk 7")
    assert shown["networks"] == ["10.0.0.0/8", "192.0.2.1/32"]
    only = {"side": ["sell"], "symbol": ["BTC-USD", "ETH-USD"]}
    assert shown["bounds"] == {"uses": ["reads"], "only": only, "honeytoken": False}


def test_a_resource_that_no_policy_knows_is_warned_of_beside_the_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GUARD_POLICIES", str(Path(__file__).parents[2] / "policies"))
    result = guard_keys("create", "--account", "acme", *NARROW, "--json")
    assert json.loads(result.stdout)["account"] == "acme"
    assert "tells the resource side: the key opens nothing there" in result.stderr
    assert "symbol" not in result.stderr


def test_list_shows_every_key_and_no_secret() -> None:
    issued = told("create", "--account", "acme", "--id", "k1", "--expires", "1d")
    made("--id", "k2")
    told("create", "--account", "other", "--id", "k3")
    text = guard_keys("list").stdout
    assert [line.split()[0] for line in text.splitlines()] == ["ID", "k1", "k2", "k3"]
    assert "active until" in text
    listed = json.loads(guard_keys("list", "--json").stdout)
    assert [key["id"] for key in listed] == ["k1", "k2", "k3"]
    assert [line.split()[0] for line in guard_keys("list", "--account", "other").stdout.splitlines()] == ["ID", "k3"]
    assert str(issued["secret"]) not in text + json.dumps(listed)


def test_empty_list_says_what_to_type() -> None:
    assert "guard keys create --account" in guard_keys("list").stdout
    assert guard_keys("list", "--json").stdout.strip() == "[]"


def test_key_that_has_ended_by_itself_is_listed_as_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    made("--id", "k1", "--expires", "1h")
    monkeypatch.setattr("time.time_ns", lambda: 4_000_000_000_000_000_000)
    assert " ended 20" in guard_keys("list").stdout


@pytest.mark.parametrize(
    ("words", "state"),
    [
        (("suspend",), "suspended"),
        (("suspend", "resume"), "active"),
        (("revoke",), "deactivated"),
        (("compromise",), "compromised"),
        (("destroy",), "destroyed"),
    ],
)
def test_commands_change_the_state(words: tuple[str, ...], state: str) -> None:
    made("--id", "k1")
    for word in words[:-1]:
        assert guard_keys(word, "k1").exit_code == 0
    assert guard_keys(words[-1], "k1").stdout == f"k1 is {state}. No gateway is running.\n"
    assert told("show", "k1")["state"] == state


def test_command_answers_programs_with_the_key() -> None:
    made("--id", "k1")
    answer = told("revoke", "k1")
    assert answer["state"] == "deactivated"
    assert '"in_force": true, "nodes": 0,' in json.dumps(answer["nodes"])


def test_actor_and_reason_stand_in_the_history(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "root")
    made("--id", "k1")
    guard_keys("suspend", "k1", "--actor", "alice", "--why", "holiday")
    monkeypatch.setenv("GUARD_ACTOR", "ci")
    guard_keys("resume", "k1")
    history = told("show", "k1")["history"]
    assert isinstance(history, list)
    assert [(row["actor"], row["command"], row["why"]) for row in history] == [
        ("root", "create", ""),
        ("alice", "suspend", "holiday"),
        ("ci", "resume", ""),
    ]
    assert history[1]["before"]["state"] == "active"
    assert history[1]["after"]["state"] == "suspended"
    text = guard_keys("show", "k1").stdout
    assert "suspend by alice: holiday" in text
    assert "resume by ci\n" in text


def test_history_cannot_steer_a_terminal() -> None:
    made("--id", "k1", "--why", "\x1b[2Jboo")
    assert "\x1b" not in guard_keys("show", "k1").stdout


def test_rotation_makes_a_successor_and_the_old_key_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 1_800_000_000_000_000_000)
    made("--id", "old")
    answer = told("rotate", "old", "--overlap", "1h")
    assert list(answer) == MEMBERS
    assert answer["id"] != "old"
    assert told("show", "old")["dies_at_ms"] == 1_800_000_000_000 + 3_600_000
    successor = told("show", str(answer["id"]))
    assert (successor["rotated_from"], successor["lineage"]) == ("old", "old")
    assert "rotated from old" in guard_keys("show", str(answer["id"])).stdout


def test_rotation_tells_a_person_that_the_old_key_goes_on() -> None:
    made("--id", "old")
    assert "old goes on until its overlap ends" in guard_keys("rotate", "old").stdout


def test_key_is_written_to_a_new_private_env_file_and_not_shown(tmp_path: Path) -> None:
    out = tmp_path / ".env"
    result = guard_keys("create", "--account", "acme", "--id", "k1", "--out", str(out))
    first, second = out.read_text().splitlines()
    assert first == "GUARD_KEY_ID=k1"
    assert second.startswith("GUARD_KEY_SECRET=gs_")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert "gs_" not in result.output
    assert f"Written to {out}" in result.output


def test_env_file_that_is_there_is_never_written_over_and_no_key_is_made(tmp_path: Path) -> None:
    out = tmp_path / ".env"
    out.write_text("mine")
    result = guard_keys("create", "--account", "acme", "--out", str(out))
    assert (result.exit_code, out.read_text()) == (2, "mine")
    assert guard_keys("list", "--json").stdout.strip() == "[]"


def test_env_file_of_a_key_that_was_refused_is_taken_back(tmp_path: Path) -> None:
    out = tmp_path / ".env"
    assert guard_keys("create", "--account", "no account", "--out", str(out)).exit_code == 1
    assert not out.exists()


def test_env_file_and_json_tell_the_secret_once(tmp_path: Path, pem: Path) -> None:
    out = tmp_path / ".env"
    assert "secret" not in told("create", "--account", "acme", "--out", str(out))
    public = tmp_path / "public.env"
    told("create", "--account", "acme", "--algorithm", "ed25519", "--public-key", str(pem), "--out", str(public))
    assert "SECRET" not in public.read_text()


def test_many_keys_are_imported_from_json_lines(tmp_path: Path) -> None:
    lines = [{"id": f"OLD-{number}", "secret": f"{CANARY}-{number}"} for number in range(3)]
    lines[1] |= {"account": "other", "scopes": ["read"], "algorithm": "api-key"}  # type: ignore[dict-item]
    file = tmp_path / "keys.jsonl"
    file.write_text("\n\n".join(map(json.dumps, lines)) + "\n")
    result = guard_keys("import", str(file), "--account", "acme", "--scopes", "trade", "--why", "moving")
    assert (result.exit_code, result.stdout) == (0, "3 imported.\n")
    listed = json.loads(guard_keys("list", "--json").stdout)
    assert [(key["id"], key["account"], key["scopes"], key["algorithm"]) for key in listed] == [
        ("OLD-0", "acme", ["trade"], "hmac-sha256"),
        ("OLD-1", "other", ["read"], "api-key"),
        ("OLD-2", "acme", ["trade"], "hmac-sha256"),
    ]


def test_keys_are_imported_from_stdin() -> None:
    line = json.dumps({"id": "OLD-1", "account": "acme", "secret": CANARY})
    result = guard_keys("import", "-", "--json", stdin=line)
    assert json.loads(result.stdout)[0]["id"] == "OLD-1"
    assert CANARY not in result.output


def test_one_key_is_imported_with_its_secret_from_stdin() -> None:
    words = ("import", "--id", "OLD-1", "--account", "acme", "--secret-stdin")
    assert guard_keys(*words, stdin=f"{CANARY}\r\n").exit_code == 0
    assert guard_keys("list").stdout.count("OLD-1") == 1


def test_one_public_key_is_imported(pem: Path) -> None:
    words = ("import", "--id", "OLD-1", "--account", "acme", "--algorithm", "ed25519", "--public-key", str(pem))
    assert guard_keys(*words).exit_code == 0
    assert told("show", "OLD-1")["algorithm"] == "ed25519"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (f'{{"id": "k", "secret": "{CANARY}"', "line 2 is no JSON object"),
        (f'["{CANARY}"]', "line 2 is no JSON object"),
        (f'{{"id": "k", "secrets": "{CANARY}"}}', "unknown field"),
        (f'{{"id": "k", "secret": ["{CANARY}"]}}', "line 2"),
    ],
)
def test_line_that_cannot_be_read_is_named_and_never_quoted(tmp_path: Path, line: str, why: str) -> None:
    file = tmp_path / "keys.jsonl"
    file.write_text(f'{{"id": "k0", "secret": "{CANARY}"}}\n{line}\n')
    result = guard_keys("import", str(file), "--account", "acme")
    assert result.exit_code == 2
    assert why in result.output
    assert CANARY not in result.output
    assert guard_keys("list", "--json").stdout.strip() == "[]"


def test_import_without_an_account_is_a_wrong_argument(tmp_path: Path) -> None:
    file = tmp_path / "keys.jsonl"
    file.write_text('{"id": "k0", "secret": "s"}')
    assert guard_keys("import", str(file)).exit_code == 2


def test_file_and_single_key_do_not_mix(tmp_path: Path) -> None:
    file = tmp_path / "keys.jsonl"
    file.write_text("{}")
    assert guard_keys("import", str(file), "--id", "k").exit_code == 2


def test_export_is_json_lines_without_secrets() -> None:
    guard_keys("import", "-", stdin=json.dumps({"id": "k1", "account": "acme", "secret": CANARY}))
    made("--id", "k2")
    lines = guard_keys("export").stdout.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["k1", "k2"]
    assert CANARY not in "".join(lines)
    assert "gs_" not in "".join(lines)
    assert json.loads(guard_keys("export", "--json").stdout) == [json.loads(line) for line in lines]
    assert guard_keys("export", "--account", "nobody").stdout == ""


@pytest.mark.parametrize("word", ["show", "rotate", "suspend", "resume", "revoke", "compromise", "destroy"])
def test_unknown_key_ends_with_code_1_and_a_sentence(word: str) -> None:
    result = guard_keys(word, "nobody")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "there is no key nobody" in result.stderr


def test_refused_command_ends_with_code_1_and_what_can_be_done() -> None:
    made("--id", "k1")
    result = guard_keys("resume", "k1")
    assert result.exit_code == 1
    assert "what can be done: suspend, revoke, compromise, destroy" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("create",),
        ("create", "--account", "a", "--expires", "90"),
        ("create", "--account", "a", "--algorithm", "md5"),
        ("create", "--account", "a", "--public-key", "/nowhere.pem"),
        ("rotate", "k1", "--overlap", "soon"),
        ("import", "/nowhere.jsonl"),
        ("frobnicate",),
    ],
)
def test_wrong_arguments_end_with_code_2(words: tuple[str, ...]) -> None:
    assert guard_keys(*words).exit_code == 2


def test_lost_sealing_key_is_named_with_the_remedy_and_not_made_anew(home: Path) -> None:
    made()
    (home / "sealing.key").unlink()
    result = guard_keys("list")
    assert result.exit_code == 1
    assert f"there is no sealing key at {home / 'sealing.key'}" in result.stderr
    assert not (home / "sealing.key").exists()


def test_unusable_database_url_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARD_DATABASE_URL", "mysql://db/guard")
    result = guard_keys("list")
    assert result.exit_code == 1
    assert "GUARD_DATABASE_URL" in result.stderr


@pytest.mark.parametrize("word", VERBS)
def test_help_begins_with_three_examples(word: str) -> None:
    lines = [line.strip() for line in guard_keys(word, "--help").stdout.splitlines() if line.strip()]
    assert all(f"guard keys {word}" in line for line in lines[1:4]), lines
