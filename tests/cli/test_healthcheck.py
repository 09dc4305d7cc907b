"""The container's question, and its answer in an exit code."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from guard.cli.healthcheck import app

_READY = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
_WAITING = b'HTTP/1.1 503 X\r\ncontent-length: 46\r\n\r\n{"ready":false,"waiting_for":["keys","clock"]}'
_STRANGE = b"HTTP/1.1 404 X\r\ncontent-length: 2\r\n\r\n[]"
_NO_HTTP = b"SSH-2.0-OpenSSH\r\n"


@contextmanager
def _answering(answer: bytes, listening: socket.socket) -> Iterator[list[bytes]]:
    """One connection is answered."""
    asked: list[bytes] = []
    listening.listen()

    def serve() -> None:
        client, _ = listening.accept()
        with client:
            asked.append(client.recv(4096))
            client.sendall(answer)

    serving = threading.Thread(target=serve)
    serving.start()
    yield asked
    serving.join(5)
    listening.close()


@pytest.mark.parametrize(
    ("answer", "code", "says"),
    [
        (_READY, 0, "ready\n"),
        (_WAITING, 1, "not ready: keys; clock\n"),
        (_STRANGE, 1, "no answer of guard"),
        (_NO_HTTP, 1, "does not answer"),
    ],
)
def test_ready_is_0_and_everything_else_is_1_and_why(answer: bytes, code: int, says: str) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    with _answering(answer, listening) as asked:
        ran = CliRunner().invoke(app, ["--health-listen", f"127.0.0.1:{port}"])
    assert ran.exit_code == code
    assert says in ran.output
    assert asked[0].startswith(b"GET /readyz HTTP/1.1\r\n")


def test_the_setting_is_read_also_where_it_listens_on_all_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setenv("GUARD_HEALTH_LISTEN", f"0.0.0.0:{listening.getsockname()[1]}")
    with _answering(_READY, listening):
        assert CliRunner().invoke(app, []).exit_code == 0


def test_a_unix_socket_is_asked_alike(tmp_path: Path) -> None:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "health.sock"))
    with _answering(_READY, listening):
        assert CliRunner().invoke(app, ["--health-listen", f"unix:{tmp_path}/health.sock"]).exit_code == 0


def test_nobody_to_ask_is_said(tmp_path: Path) -> None:
    unset = CliRunner().invoke(app, [])
    assert (unset.exit_code, "GUARD_HEALTH_LISTEN is not set" in unset.output) == (1, True)
    nobody = CliRunner().invoke(app, ["--health-listen", f"unix:{tmp_path}/nobody"])
    assert (nobody.exit_code, "does not answer" in nobody.output) == (1, True)


def test_one_that_does_not_answer_in_time_is_not_ready() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        words = ["--health-listen", f"127.0.0.1:{mute.getsockname()[1]}", "--timeout-s", "0.1"]
        ran = CliRunner().invoke(app, words)
    assert (ran.exit_code, "does not answer" in ran.output) == (1, True)
