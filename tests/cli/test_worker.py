"""A worker is started by its supervisor; alone it does nothing."""

import socket
from collections.abc import Iterator

import msgspec
import pytest
import structlog
from typer.testing import CliRunner

from guard.app.link import Task
from guard.app.workers import Orders
from guard.cli.worker import app
from guard.settings import Settings


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def _frame(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content


def test_without_a_supervisor_it_ends() -> None:
    above, below = socket.socketpair()
    above.close()
    assert CliRunner().invoke(app, [str(below.detach())]).exit_code == 0


def test_what_it_cannot_serve_it_tells_its_supervisor_and_exits_with_1() -> None:
    above, below = socket.socketpair()
    orders = Orders(Settings().model_dump_json(), {"/nonexistent/a.yaml": b"version: 1"})
    above.sendall(_frame(msgspec.msgpack.encode(Task(msgspec.msgpack.encode(orders), 0, 0, 0))))
    assert CliRunner().invoke(app, [str(below.detach())]).exit_code == 1
    told = above.recv(4096)
    assert b"Refusal" in told
    assert b"/nonexistent" in told
    above.close()
