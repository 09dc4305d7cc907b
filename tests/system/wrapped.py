"""An application behind GuardMiddleware on a real ASGI server, as a child process."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from guard.app.keys import open_keyring
from guard.service.keyring import By
from guard.settings import Settings
from tests.ports import free_port
from tests.system.gateway import START_S, STOP_S, eventually
from tests.system.key_holder import Key, minted, signed
from tests.system.raw_http import Response, ask

SERVERS: Mapping[str, tuple[str, ...]] = {
    "uvicorn": ("uvicorn", "--host", "127.0.0.1", "--port", "{port}", "--no-proxy-headers"),
    "hypercorn": ("hypercorn", "--bind", "127.0.0.1:{port}"),
    "granian": ("granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", "{port}"),
}
_ROOT = Path(__file__).parents[2]


@dataclass
class WrappedServer:
    """A server that listens. Its application is `main:app` in `home`, its policies are in `home/policies`."""

    home: Path
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    key: Key = field(default_factory=lambda: minted("trader"))
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def output(self) -> str:
        return (self.home / "output.log").read_text()

    def launch(self) -> "subprocess.Popen[bytes]":
        """Start the process, and do not wait."""
        self.port = free_port()
        command = [sys.executable, "-m", *(word.format(port=self.port) for word in self.command), "main:app"]
        given = {
            "GUARD_HOME": str(self.home),
            "GUARD_DECISION_LOG": str(self.home / "decisions.jsonl"),
            "PYTHONPATH": str(_ROOT),
            **self.environment,
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("GUARD_")}
        with (self.home / "output.log").open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603  # our own program
                command, cwd=self.home, env={**inherited, **given}, stdout=output, stderr=output
            )
        return self.process

    def import_key(self) -> None:
        async def act() -> None:
            async with open_keyring(Settings(home=self.home)) as keyring:
                await keyring.take_over([self.key.order], By("system tests"))

        asyncio.run(act())

    def ask(self, content: bytes) -> Response:
        return ask(self.port, content)

    def signed(self, method: str, target: str, body: bytes = b"", **how: Any) -> bytes:
        return signed(self.key, method, target, body, **how)

    def listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.output
        try:
            return self.ask(b"GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n").status == 404
        except OSError:
            return False

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_S)
            finally:
                self.process.kill()


@contextmanager
def wrapped_server(
    home: Path, server: str, main: str, policy: str, *flags: str, **environment: str
) -> Iterator[WrappedServer]:
    """One of SERVERS with this program and policy, for the time of the block."""
    (home / "policies").mkdir(parents=True)
    (home / "policies" / "app.yaml").write_text(policy)
    (home / "main.py").write_text(main)
    running = WrappedServer(home, (*SERVERS[server], *flags), environment)
    running.import_key()
    try:
        running.launch()
        eventually(running.listens, START_S)
        yield running
    finally:
        running.stop()
