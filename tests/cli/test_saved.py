import base64
import json
import stat
from pathlib import Path

import pytest
import typer

from guard.cli.saved import save, saved_request


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GUARD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def kept(content: bytes = b"\x00\xff") -> None:
    save(content, gateway="http://h", method="GET", target=b"/\xff", sent_at_ms=5)


def test_what_was_saved_last_comes_back_byte_for_byte(own_home: Path) -> None:
    kept(b"before")
    kept()
    last = saved_request("@last")
    assert (last.content, last.gateway, last.method, last.target, last.sent_at_ms) == (
        b"\x00\xff", "http://h", "GET", "/\\xff", 5,
    )  # fmt: skip
    assert saved_request(str(own_home / "last-request.json")) == last


def test_the_file_stays_private_also_over_an_open_one(own_home: Path) -> None:
    own_home.mkdir()
    (own_home / "last-request.json").touch(mode=0o644)
    kept()
    assert stat.S_IMODE((own_home / "last-request.json").stat().st_mode) == 0o600


def test_nothing_saved_yet_says_what_to_send() -> None:
    with pytest.raises(typer.BadParameter, match="nothing was sent yet"):
        saved_request("@last")


@pytest.mark.parametrize("content", [b"", b"{}", b"[", b"\xff"])
def test_a_file_that_holds_no_request_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(typer.BadParameter, match="holds no saved request"):
        saved_request(str(path))


def test_bytes_that_are_no_base64_are_refused(own_home: Path) -> None:
    kept()
    path = own_home / "last-request.json"
    saved = json.loads(path.read_bytes())
    path.write_text(json.dumps(saved | {"content_base64": base64.b64encode(b"abc").decode()[:-1]}))
    with pytest.raises(typer.BadParameter, match="holds no saved request"):
        saved_request("@last")
