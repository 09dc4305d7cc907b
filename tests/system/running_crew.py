"""A supervisor's process (`crew.py`) and clients of its workers, for tests of both."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from tests.ports import free_port
from tests.system.crew_worker import Config
from tests.system.raw_http import ask, message

_ROOT = Path(__file__).parents[2]

FOREVER = 1_000_000_000

Answer = TypeVar("Answer")


class RunningCrew:
    """One supervisor, from the start of its process on."""

    def __init__(
        self, folder: Path, *, unix: bool = False, behaviour: str = "serve", port: int | None = None, **config: Any
    ) -> None:
        self.port, self.health_port = port or free_port(), free_port()
        self._behaviour = folder / "behaviour"
        self.unix = folder / "crew.sock" if unix else None
        self.behave(behaviour)
        self.config = Config(
            listen=f"unix:{self.unix}" if unix else f"127.0.0.1:{self.port}",
            health_listen=f"127.0.0.1:{self.health_port}",
            behaviour=str(self._behaviour),
            **config,
        )
        self._errors = (folder / "stderr").open("wb+")
        self.process = subprocess.Popen(  # noqa: S603  # our own program
            [sys.executable, "-m", "tests.system.crew", msgspec.json.encode(self.config).decode()],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=_ROOT,
        )

    def behave(self, how: str) -> None:
        """How workers behave from now on."""
        self._behaviour.write_text(how)

    async def says(self, word: str) -> None:
        """Wait for the supervisor to say it."""
        assert self.process.stdout is not None
        line = await asyncio.wait_for(asyncio.to_thread(self.process.stdout.readline), 30)
        assert line.decode().strip() == word, self.errors

    @property
    def errors(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self, within_s: float = 20) -> int:
        """The supervisor's exit code."""
        return await asyncio.wait_for(asyncio.to_thread(self.process.wait), within_s)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.unix is not None:
            return await asyncio.open_unix_connection(self.unix)
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def readyz(self) -> tuple[int, list[str]]:
        try:
            status, body = await self._asked("/readyz")
        except ConnectionRefusedError:
            return 0, []
        return status, json.loads(body)["waiting_for"]

    async def samples(self) -> dict[tuple[str, str], float]:
        """What `/metrics` says: by the name of a sample and its last label, or nothing."""
        _, body = await self._asked("/metrics")
        return {
            (sample.name, next(iter(sample.labels.values()), "")): sample.value
            for family in text_string_to_metric_families(body.decode())
            for sample in family.samples
        }

    async def decisions(self) -> int:
        """How many requests the workers have counted, also those that are gone."""
        samples = await self.samples()
        return round(sum(value for (name, _), value in samples.items() if name == "guard_decisions_total"))

    async def _asked(self, path: str) -> tuple[int, bytes]:
        answer = await asyncio.to_thread(ask, self.health_port, message("GET", path, [(b"Host", b"health")]))
        return answer.status, answer.body

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self._errors.close()


@asynccontextmanager
async def running_crew(folder: Path, **config: Any) -> AsyncIterator[RunningCrew]:
    """A crew whose workers are all ready."""
    crew = RunningCrew(folder, **config)
    try:
        await crew.says("ready")
        yield crew
    finally:
        crew.close()


class Client:
    """Asks without a pause, so many times on each connection."""

    def __init__(self, crew: RunningCrew, times: int) -> None:
        self._crew = crew
        self._times = times
        self._over = False
        self.answers: Counter[int] = Counter()
        self.lost = 0
        """Requests that were sent and got no answer."""
        self.refused = 0
        self.running = asyncio.create_task(self._run())

    @property
    def served(self) -> int:
        return sum(self.answers.values())

    async def end(self) -> None:
        self._over = True
        await asyncio.wait_for(self.running, 20)

    async def _run(self) -> None:
        while not self._over:
            try:
                reader, writer = await self._crew.connect()
            except OSError:
                self.refused += 1
                return
            try:
                await self._talk(reader, writer)
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in range(self._times):
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            try:
                async with asyncio.timeout(15):  # not wait_for, which swallows a cancellation now and then
                    head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                self.answers[int(await reader.readexactly(length))] += 1
            except (OSError, asyncio.IncompleteReadError) as failed:
                left = number == 0 and isinstance(failed, ConnectionResetError) and await self._is_closed()
                self.lost += not left
                return
            if self._over or b"connection: close" in head.lower():
                return

    async def _is_closed(self) -> bool:
        """Whether nobody listens any more. Then a connection that was reset before its first answer had been left in
        the backlog, and nobody had accepted it: whoever asks again is refused.
        """
        try:
            _, writer = await self._crew.connect()
        except OSError:
            return True
        writer.close()
        return False


@asynccontextmanager
async def clients(crew: RunningCrew, count: int, times: int = 20) -> AsyncIterator[list[Client]]:
    """So many clients at once, all of them served at least once."""
    asking = [Client(crew, times) for _ in range(count)]
    try:
        await eventually(lambda: all(client.served for client in asking))
        yield asking
    finally:
        for client in asking:
            client.running.cancel()
        await asyncio.gather(*(client.running for client in asking), return_exceptions=True)


async def eventually(seen: Callable[[], object], within_s: float = 30) -> None:
    async with asyncio.timeout(within_s):
        while not seen():  # noqa: ASYNC110  # what is waited for is in other processes
            await asyncio.sleep(0.01)


async def until(ask: Callable[[], Awaitable[Answer]], fits: Callable[[Answer], bool], within_s: float = 30) -> Answer:
    """The first answer that fits."""
    async with asyncio.timeout(within_s):
        while not fits(answer := await ask()):  # noqa: ASYNC110  # what is waited for is in other processes
            await asyncio.sleep(0.01)
        return answer


def is_alive(pid: int) -> bool:
    """Whether that process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def kill(pid: int, number: signal.Signals) -> None:
    """Signal a worker, which a test knows by an answer of its own."""
    os.kill(pid, number)
