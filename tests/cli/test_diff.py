"""`guard diff` as a person or a pipeline sees it."""

import json
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from guard.cli.diff import app
from tests.cli.recorder import recording, response
from tests.policy_text import HEAD, ROUTES, policy

LIMITED = policy("limits: {key: {per: [key], rate: 20/s, burst: 40}}")


def _diff(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(name="pair")
def _pair(tmp_path: Path) -> tuple[Path, Path]:
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(LIMITED)
    new.write_text(LIMITED.replace("20/s", "50/s").replace("group: orders", "group: trades"))
    return old, new


def test_each_change_is_a_line_with_its_place_and_the_last_line_counts(pair: tuple[Path, Path]) -> None:
    done = _diff(*pair)
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "WEAKENS   exchange limits.key rate 20/1s → 50/1s   new.yaml:4",
        "NEUTRAL   exchange POST /v1/orders group orders → trades   new.yaml:7",
        "Summary: weakens 1, tightens 0, renames 0, neutral 1",
    ]


def test_what_weakens_can_fail_a_pipeline(pair: tuple[Path, Path]) -> None:
    assert _diff(*pair, "--fail-on", "weakens").exit_code == 4
    assert _diff(*reversed(pair), "--fail-on", "weakens").exit_code == 0


def test_github_gets_annotations_that_a_policy_cannot_break_out_of(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    lines = _diff(*pair, "--format", "github").stdout.splitlines()
    assert lines[0] == f"::warning file={pair[1]},line=4::WEAKENS exchange limits.key rate 20/1s → 50/1s"
    assert lines[1].startswith(f"::notice file={pair[1]},line=7::NEUTRAL ")
    odd = tmp_path / "a,b%:c.yaml"
    odd.write_text(pair[1].read_text())
    assert "/a%2Cb%25%3Ac.yaml,line=4::" in _diff(pair[0], odd, "--format", "github").stdout


def test_github_gets_paths_as_new_was_named_and_as_guard_check_tells_them(
    pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pair[0].parent)
    for number, one in enumerate(pair):
        folder = Path(f"policies{number}")
        folder.mkdir()
        one.rename(folder / "acme.yaml")
    for new in ("policies1", "policies1/acme.yaml"):
        assert "::warning file=policies1/acme.yaml,line=4::" in _diff("policies0", new, "--format", "github").stdout
    monkeypatch.chdir("policies1")
    assert "::warning file=acme.yaml,line=4::" in _diff("../policies0", ".", "--format", "github").stdout


def test_json_has_every_field(pair: tuple[Path, Path]) -> None:
    [weakens, _] = json.loads(_diff(*pair, "--format", "json").stdout)
    assert weakens == {
        "kind": "WEAKENS",
        "path": "exchange limits.key rate",
        "old": "20/1s",
        "new": "50/1s",
        "file": "new.yaml",
        "line": 4,
    }


def test_a_route_that_is_new_or_gone_is_said_so(tmp_path: Path) -> None:
    old, new = tmp_path / "a.yaml", tmp_path / "b.yaml"
    old.write_text(policy())
    new.write_text(policy().replace("GET /v1/time", "GET /v1/now"))
    assert _diff(old, new).stdout.splitlines()[:2] == [
        "WEAKENS   exchange GET /v1/now is new   b.yaml:5",
        "TIGHTENS  exchange GET /v1/time is no more   a.yaml:5",
    ]


def test_an_invalid_policy_is_told_as_guard_check_does(pair: tuple[Path, Path]) -> None:
    pair[0].write_text("version: 1\n")
    done = _diff(*pair)
    assert (done.exit_code, done.stdout) == (3, "")
    assert "error[P1" in done.stderr


def test_wrong_numbers_of_paths_are_usage(pair: tuple[Path, Path]) -> None:
    assert _diff(pair[0]).exit_code == 2
    assert _diff(*pair, "--git", "main").exit_code == 2


def _git(folder: Path, *words: str) -> None:
    ours = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(("git", "-C", str(folder), *ours, *words), check=True, capture_output=True)  # noqa: S603, S607


def _commit(folder: Path, message: str) -> None:
    _git(folder, "add", ".")
    _git(folder, "commit", "-qm", message)


def test_a_directory_and_a_file_are_compared_with_what_they_were_in_a_revision(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "policies"
    folder.mkdir(parents=True)
    (folder / "a.yaml").write_text(LIMITED)
    (folder / "notes.txt").write_text("x")
    _git(tmp_path, "init", "-q", "-b", "main")
    _commit(tmp_path, "first")
    (folder / "a.yaml").write_text(LIMITED.replace("20/s", "50/s"))
    line = "WEAKENS   exchange limits.key rate 20/1s → 50/1s   a.yaml:4"
    assert _diff("--git", "main", folder).stdout.splitlines()[0] == line
    assert _diff("--git", "HEAD", folder / "a.yaml").stdout.splitlines()[0] == line
    (folder / "a.yaml").write_text(f"{LIMITED}client_ip: {{deny: file:deny.txt}}\n")
    (folder / "deny.txt").write_text("192.0.2.7\n192.0.2.8\n")
    _commit(tmp_path, "second")
    (folder / "deny.txt").write_text("192.0.2.7\n")
    line = "WEAKENS   exchange client_ip deny 192.0.2.7/32, 192.0.2.8/32 → 192.0.2.7/32   a.yaml:"
    for path in (folder, folder / "a.yaml"):
        assert _diff("--git", "HEAD", path).stdout.startswith(line)
    (folder / "a.yaml").write_text(f"{HEAD}limits: {{use: [key]}}\n{ROUTES}")
    (folder / "_shared.yaml").write_text("version: 1\nlimits:\n  key: {per: [key], rate: 20/s}\n")
    _commit(tmp_path, "third")
    (folder / "_shared.yaml").write_text("version: 1\nlimits:\n  key: {per: [key], rate: 50/s}\n")
    line = "WEAKENS   exchange limits.key rate 20/1s → 50/1s   _shared.yaml:3"
    for path in (folder, folder / "a.yaml"):
        assert line in _diff("--git", "HEAD", path).stdout
    missing = _diff("--git", "nowhere", folder)
    assert missing.exit_code == 2
    assert "error: git: " in missing.stderr
    assert _diff("--git", "--output=/tmp/x", folder).exit_code == 2


def test_without_git_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "a.yaml").write_text(policy())
    done = _diff("--git", "main", tmp_path)
    assert (done.exit_code, "git cannot be run" in done.stderr) == (2, True)


def test_what_runs_and_is_not_what_the_files_say_is_drift(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    token = tmp_path / "token"
    token.write_text("gt_1.secret")
    with recording() as api:
        live = json.dumps({"digest": "3f2a91c", "files": {"/etc/guard/old.yaml": LIMITED}}).encode()
        api.answer = lambda _: response(200, live)
        same, other = (_diff("--live", api.url, "--token-file", token, path) for path in pair)
        assert api.requests[0].startswith(b"GET /admin/v1/policy/files ")
        api.answer = lambda _: response(200, b"{}")
        assert _diff("--live", api.url, "--token-file", token, pair[0]).exit_code == 2
    assert (same.exit_code, same.stdout) == (0, "Summary: weakens 0, tightens 0, renames 0, neutral 0\n")
    assert (other.exit_code, "WEAKENS   exchange limits.key rate 20/1s → 50/1s" in other.stdout) == (2, True)
    assert _diff("--live", "http://127.0.0.1:1", "--git", "main", pair[0]).exit_code == 2
    assert _diff("--live", "http://127.0.0.1:1", *pair).exit_code == 2
