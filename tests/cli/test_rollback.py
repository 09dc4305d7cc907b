"""`guard rollback` asks a gateway that runs, and tells what came of it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from guard.cli.main import app
from tests.cli.recorder import Recorder, recording, response


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    monkeypatch.setenv("GUARD_HOME", str(tmp_path))
    (tmp_path / "admin.token").write_text("gt_1.secret\n")
    with recording() as opened:
        yield opened


def _asked(api: Recorder, **answer: object) -> Result:
    api.answer = lambda _: response(200, json.dumps(answer).encode())
    return CliRunner().invoke(app, ["rollback", "3f2a91c", "--why", "INC-42", "--url", api.url])


def test_a_version_is_put_in_force_with_the_reason(api: Recorder) -> None:
    done = _asked(api, outcome="swapped", digest="3f2a91c")
    assert (done.exit_code, done.stdout.startswith("3f2a91c is in force")) == (0, True)
    assert api.requests[0].endswith(b'{"digest": "3f2a91c", "why": "INC-42"}')


def test_one_that_waits_says_who_must_do_what(api: Recorder) -> None:
    done = _asked(api, outcome="waiting", digest="0000000", release="gr_1")
    assert (done.exit_code, "`guard releases confirm gr_1`" in done.stderr) == (1, True)


def test_one_that_is_refused_says_why_with_its_place(api: Recorder) -> None:
    fault = {"file": "a.yaml", "line": 4, "message": "the test failed"}
    done = _asked(api, outcome="refused", refused_for="", diagnostics=[fault])
    assert (done.exit_code, "a.yaml:4: the test failed" in done.stderr) == (1, True)


def test_a_reason_is_needed(api: Recorder) -> None:
    assert CliRunner().invoke(app, ["rollback", "3f2a91c", "--url", api.url]).exit_code == 2
    assert api.requests == []
