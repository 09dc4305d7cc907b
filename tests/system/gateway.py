"""`guard serve` as a child process before a recording backend: what the system tests have in common."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from guard.app.keys import open_keyring
from guard.service.keyring import By, Keyring
from guard.settings import Settings
from tests.ports import free_port
from tests.system.key_holder import Key, minted, signed
from tests.system.raw_http import Response, ask, message
from tests.system.recording_backend import Received, RecordingBackend

POLICIES = Path(__file__).parent / "policies"
START_S = 20.0
STOP_S = 10.0
COMMAND_S = 30.0
FOLLOWED_S = 10.0
BY = By("system tests")

Answer = TypeVar("Answer")


@dataclass
class RunningGateway:
    """A gateway that is ready. Keys that were given at the start are in `keys`, by name. `administered` is the URL by
    which administrators reach its key database, if that is another way than the gateway's.
    """

    home: Path
    backend: RecordingBackend
    keys: dict[str, Key]
    listen_host: str = "127.0.0.1"
    policies: Path = POLICIES
    flags: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    administered: str = ""
    port: int = 0
    health_port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def decision_log(self) -> Path:
        return self.home / "decisions.jsonl"

    @property
    def stderr(self) -> str:
        return (self.home / "stderr.log").read_text()

    def decisions(self) -> list[dict[str, Any]]:
        """The decision log, line by line, without one that is still being written."""
        whole, _, _ = self.decision_log.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def decision(self, response: Response) -> dict[str, Any]:
        """The log's line about one response. It is written after the answer, so it is waited for."""
        request_id = (response.value(b"guard-request-id") or b"").decode()
        return eventually(lambda: next((line for line in self.decisions() if line["id"] == request_id), None))

    def start(self) -> None:
        """Start on free ports and wait until ready; after a stop or kill, on the same home."""
        self.port, self.health_port = free_port(), free_port()
        host = f"[{self.listen_host}]" if ":" in self.listen_host else self.listen_host
        command = [sys.executable, "-m", "guard", "serve", "--policies", str(self.policies)]
        command += ["--listen", f"{host}:{self.port}", "--health-listen", f"127.0.0.1:{self.health_port}"]
        command += ["--decision-log", str(self.decision_log), *self.flags]
        given = {"GUARD_HOME": str(self.home), "BACKEND_URL": self.backend.url, "NOBODY_URL": NOBODY_URL}
        given["GUARD_ADMIN_LISTEN"] = "none"  # the default port is for one gateway only
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("GUARD_")}
        with (self.home / "stderr.log").open("ab") as stderr, (self.home / "stdout.log").open("ab") as stdout:
            self.process = subprocess.Popen(  # noqa: S603  # our own program
                command, env={**inherited, **given, **self.environment}, stdout=stdout, stderr=stderr
            )
        eventually(self._ready, START_S)

    def stop(self) -> int:
        """SIGTERM; the exit code, within ten seconds."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S)

    def kill(self) -> None:
        """SIGKILL: no goodbye."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(STOP_S)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def ask(self, content: bytes, *, source: str = "127.0.0.1") -> Response:
        """One request on a connection of its own."""
        return ask(self.port, content, source=source)

    def signed(self, method: str, target: bytes | str, body: bytes = b"", *, key: str = "trader", **how: Any) -> bytes:
        """A whole signed request of one of the keys."""
        return signed(self.keys[key], method, target, body, **how)

    def readyz(self) -> Response:
        return ask(self.health_port, message("GET", "/readyz", [(b"Host", b"health")]))

    def keyring(self, act: Callable[[Keyring], Awaitable[Answer]]) -> Answer:
        """What `guard keys` does beside a running server, without starting a process."""

        async def acted() -> Answer:
            async with open_keyring(Settings(home=self.home, database_url=self.administered)) as keyring:
                return await act(keyring)

        return asyncio.run(acted())

    def import_keys(self, *keys: Key) -> None:
        self.keyring(lambda keyring: keyring.take_over([key.order for key in keys], BY))

    def wait_until_followed(self) -> None:
        """Until the running server has seen every change of a key that was made before: it polls every 250 ms."""
        probe = minted("probe")
        self.import_keys(probe)
        eventually(lambda: self.ask(signed(probe, "GET", "/v1/canary")).status == 200, FOLLOWED_S)

    def guard(self, *words: str, stdin: bytes = b"") -> str:
        """Run a command of the program on this gateway's home; its standard output."""
        done = self.tried(*words, stdin=stdin)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def tried(self, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """The same, whatever it comes to."""
        return subprocess.run(  # noqa: S603  # our own program
            [sys.executable, "-m", "guard", *words],
            env={**os.environ, "GUARD_HOME": str(self.home), "GUARD_DATABASE_URL": self.administered},
            input=stdin,
            capture_output=True,
            timeout=COMMAND_S,
            check=False,
        )

    def assert_alive(self) -> None:
        """A canary: a good request still passes, once."""
        mark = len(self.backend.record)
        response = self.ask(self.signed("GET", "/v1/canary", key="canary"))
        assert response.status == 200, response.body
        assert [each.path for each in self.backend.since(mark)].count("/v1/canary") == 1

    @contextmanager
    def nothing_forwarded(self) -> Iterator[None]:
        """The backend sees nothing of what the block does, and a good request passes after it."""
        mark = len(self.backend.record)
        yield
        self.assert_alive()
        assert [each.head for each in self.backend.since(mark) if each.path != "/v1/canary"] == []

    def assert_refused(self, content: bytes, status: int, code: str, *, source: str = "127.0.0.1") -> Response:
        """Refused with this problem; the backend has nothing of it; the next request is served."""
        with self.nothing_forwarded():
            response = self.ask(content, source=source)
            seen = (response.status, (response.value(b"guard-reason") or b"").decode())
            assert seen == (status, code), response.body
            assert response.value(b"guard-sent") == b"no"
            if not content.startswith(b"HEAD "):
                assert response.problem["sent"] == "no"
        return response

    def assert_forwarded(self, content: bytes, *, source: str = "127.0.0.1") -> tuple[Response, Received]:
        """Answered 200, and what the backend has of it: exactly one request."""
        mark = len(self.backend.record)
        response = self.ask(content, source=source)
        assert response.status == 200, response.body
        (received,) = self.backend.since(mark)
        return response, received

    def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"guard serve has ended: {self.stderr}"
        try:
            return self.readyz().status == 200
        except OSError:
            return False


@contextmanager
def running_gateway(
    home: Path, backend: RecordingBackend, keys: dict[str, Key] | None = None, **how: Any
) -> Iterator[RunningGateway]:
    """A gateway of its own, for the time of the block. Always has the key `canary` and the key `trader`."""
    held = {"canary": minted("canary"), "trader": minted("trader"), **(keys or {})}
    home.mkdir(parents=True, exist_ok=True)
    gateway = RunningGateway(home=home, backend=backend, keys=held, **how)
    gateway.import_keys(*held.values())
    try:
        gateway.start()
        yield gateway
    finally:
        gateway.close()


@contextmanager
def running_peer(
    first: RunningGateway, home: Path, *, policies: Path | None = None, **environment: str
) -> Iterator[RunningGateway]:
    """Another node on the key database of the first, set up as that is, for the time of the block."""
    shared = {
        "GUARD_DATABASE_URL": first.administered or f"sqlite:///{first.home / 'guard.db'}",
        "GUARD_SEALING_KEY_FILE": str(first.home / "sealing.key"),
    }
    home.mkdir(parents=True, exist_ok=True)
    settings = {**first.environment, **shared, **environment}
    peer = replace(first, home=home, policies=policies or first.policies, environment=settings, process=None)
    try:
        peer.start()
        yield peer
    finally:
        peer.close()


def eventually(seen: Callable[[], Answer | None], within_s: float = 5.0) -> Answer:
    """The first answer that is neither None nor False."""
    end = time.monotonic() + within_s
    while True:
        found = seen()
        if found:
            return found
        assert time.monotonic() < end, f"not within {within_s} s"
        time.sleep(0.01)


def _nobody() -> tuple[socket.socket, str]:
    """A port that is taken and never listened on: connecting to it is refused."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    return taken, f"http://127.0.0.1:{taken.getsockname()[1]}"


_TAKEN, NOBODY_URL = _nobody()
