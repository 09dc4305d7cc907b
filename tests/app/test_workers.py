"""The gateway as a worker serves it, and the supervisor over it."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
import structlog

import guard.app.workers
from guard.app import workers
from guard.app.link import PolicyChanged, Task
from guard.app.reloading import holding_back
from guard.app.supervisor import Supervisor
from guard.app.worker import CannotServe
from guard.app.workers import COMMAND, Orders, gateway_worker, serve_workers
from guard.model.names import UnixMs
from guard.model.policy_versions import Narrowing
from guard.policy.widening import narrowings
from guard.server.spread import nobody
from guard.service.policies import Rulebook, Rules, rulebook_of
from guard.settings import Settings
from tests.app.test_gateway import rules
from tests.upstream.asking import until


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@contextmanager
def _task(settings: Settings, files: Mapping[str, bytes]) -> Iterator[tuple[Task, int]]:
    """A task with a socket that is bound, and its port."""
    memory = os.memfd_create("test")
    os.write(memory, nobody(1))
    bound = socket.create_server(("127.0.0.1", 0))
    port = bound.getsockname()[1]
    content = msgspec.msgpack.encode(Orders(settings.model_dump_json(), dict(files)))
    yield Task(content, 0, bound.detach(), memory), port
    os.close(memory)


async def _status(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /v1/x HTTP/1.1\r\nHost: a\r\n\r\n")
    line = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    await writer.wait_closed()
    return line


async def test_a_worker_serves_the_gateway_on_the_socket_that_it_was_given(tmp_path: Path) -> None:
    book = rules(tmp_path / "policies").current
    settings = Settings(home=tmp_path / "home", policies=tmp_path / "policies", decision_log="none")
    with _task(settings, book.files) as (task, port):
        async with gateway_worker(task) as working:
            assert b" 401 " in await _status(port)
            async with asyncio.timeout(10):
                while working.waiting_for():  # noqa: ASYNC110  # its memory becomes old enough
                    await asyncio.sleep(0.01)
            working.draining()
            assert working.waiting_for() == ("draining",)
        [count] = [count for key, count in working.tally().counts.items() if key[0] == "guard_decisions_total"]
        assert count == 1


async def test_a_worker_runs_what_its_supervisor_read_whatever_the_files_say_and_takes_other_contents(
    tmp_path: Path,
) -> None:
    book = rules(tmp_path / "policies").current
    [(name, content)] = book.files.items()
    settings = Settings(home=tmp_path / "home", policies=Path("/nonexistent"), decision_log="none")
    with _task(settings, book.files) as (task, port):
        async with gateway_worker(task) as working:
            assert working.policy() == book.policies.digest
            other = rulebook_of({name: content.replace(b"/v1/{rest...}", b"/v2/{rest...}")})
            assert isinstance(other, Rulebook)
            working.hear(PolicyChanged(dict(other.files)))
            await until(lambda: working.policy() == other.policies.digest)
            assert b" 404 " in await _status(port)
            working.hear(PolicyChanged({name: b"version: 1"}))
            await until(lambda: working.degraded() != ())
            assert "policy: stale" in working.degraded()[0]
            assert working.policy() == other.policies.digest


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"database_url": "sqlite:////"}, "database"),
        ({"home": Path("/proc/nowhere")}, "/proc/nowhere"),
    ],
)
async def test_what_cannot_be_served_is_one_sentence(tmp_path: Path, wrong: dict[str, Any], says: str) -> None:
    files = rules(tmp_path / "policies").current.files
    given = {"home": tmp_path / "home", "policies": tmp_path / "policies", "decision_log": "none", **wrong}
    with _task(Settings(**given), files) as (task, _), pytest.raises(CannotServe, match=says):
        async with gateway_worker(task):
            pass
    socket.socket(fileno=task.listening).close()


def test_workers_are_started_as_this_program_and_never_from_the_current_directory() -> None:
    assert COMMAND[1:] == ("-P", "-m", "guard", "worker")


async def test_the_supervisor_serves_health_and_gives_its_workers_their_orders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a worker of a script: the real ones need shared state, and are for the system tests."""
    scripted = Path(__file__).with_name("scripted_worker.py")
    script = '[["hear","Task"],["report",1],["hear","Drain"],["exit",0]]'
    monkeypatch.setattr(guard.app.workers, "COMMAND", (COMMAND[0], str(scripted), script))
    health = tmp_path / "health.sock"
    settings = Settings(listen="127.0.0.1:0", health_listen=f"unix:{health}", home=tmp_path / "home")
    serving = asyncio.create_task(serve_workers(settings, rules(tmp_path / "policies").current))
    async with asyncio.timeout(30):
        while b" 200 " not in await _ready(health):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(serving, 10)


async def test_an_address_that_cannot_be_had_leaves_no_socket_behind(tmp_path: Path) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    listen = tmp_path / "guard.sock"
    settings = Settings(
        home=tmp_path / "home", listen=f"unix:{listen}", health_listen=f"127.0.0.1:{taken.getsockname()[1]}"
    )
    with taken, pytest.raises(OSError, match="in use"):
        await serve_workers(settings, rules(tmp_path / "policies").current)
    assert not listen.exists()


async def _ready(health: Path) -> bytes:
    try:
        reader, writer = await asyncio.open_unix_connection(health)
    except OSError:
        return b""
    writer.write(b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return answer


async def test_a_worker_that_starts_later_holds_back_what_the_others_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = rules(tmp_path / "policies").current
    held = {"guard-v1": Narrowing(UnixMs(2_000_000_000_000), 100)}
    handed: list[bytes] = []
    heard: list[PolicyChanged] = []
    supervisor = SimpleNamespace(renew=handed.append, tell=heard.append)
    settings = Settings(home=tmp_path / "home", decision_log="none")
    workers._handing_on(settings, cast(Supervisor, supervisor))(holding_back(found, held))()
    orders = msgspec.msgpack.decode(handed[0], type=Orders)
    assert orders.held == held
    begun: list[Rules] = []

    def rules_of(book: Rulebook) -> Rules:
        begun.append(Rules(book))
        return begun[0]

    monkeypatch.setattr(workers, "Rules", rules_of)
    with _task(settings, found.files) as (task, _):
        later = msgspec.structs.replace(
            task, content=msgspec.msgpack.encode(Orders(orders.settings, dict(found.files), held))
        )
        async with gateway_worker(later):
            assert narrowings(begun[0].policies) == held
