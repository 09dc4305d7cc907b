"""One call of the admin API: the token goes along, and whatever is wrong is one sentence and code 1."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from guard.cli.admin_client import called
from tests.cli.recorder import Recorder, recording, response


@pytest.fixture
def api() -> Iterator[Recorder]:
    with recording() as opened:
        yield opened


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "alice.token"
    file.write_text("gt_1.secret\n")
    return file


def test_the_token_and_the_body_go_along(api: Recorder, token: Path) -> None:
    assert called(api.url, "POST", "/admin/v1/policy:rollback", token, {"digest": "3f2a91c"}) == {"ok": True}
    [request] = api.requests
    assert request.startswith(b"POST /admin/v1/policy:rollback HTTP/1.1\r\n")
    assert b"Authorization: Bearer gt_1.secret\r\n" in request
    assert request.endswith(b'{"digest": "3f2a91c"}')


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (
            response(403, b'{"title": "Not allowed", "detail": "this needs the role admin"}'),
            "this needs the role admin",
        ),
        (response(503, b'{"title": "Unavailable"}'), "Unavailable"),
        (response(200, b"[]"), "is no admin API of guard"),
        (response(200, b"<html>"), "cannot be asked"),
        (b"", "cannot be asked"),
    ],
)
def test_a_refusal_or_no_answer_is_one_sentence(
    api: Recorder, token: Path, answer: bytes, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    api.answer = lambda _: answer
    with pytest.raises(typer.Exit) as ended:
        called(api.url, "GET", "/admin/v1/policy", token)
    told = capsys.readouterr().err
    assert (ended.value.exit_code, says in told, "secret" in told) == (1, True, False)


@pytest.mark.parametrize("url", ["127.0.0.1:8090", "ftp://a", "https://127.0.0.1:1"])
def test_what_is_no_address_or_does_not_answer_is_one_sentence(
    url: str, token: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit):
        called(url, "GET", "/x", token)
    assert "cannot be asked" in capsys.readouterr().err


def test_a_token_that_is_not_there_is_one_sentence(
    api: Recorder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit):
        called(api.url, "GET", "/x", tmp_path / "none")
    assert "cannot be asked" in capsys.readouterr().err
    assert api.requests == []
