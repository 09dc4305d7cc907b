"""`guard serve` as a node of a fleet: it can be made to fail like any server, its clock can be set, and the program can
be one from which a condition was knocked out.
"""

import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from guard.settings import Settings
from tests.ports import free_port
from tests.servers.process import Server, family
from tests.system.raw_http import Response, ask, message

ROOT = Path(__file__).resolve().parent.parent.parent
_SKEWED = Path(__file__).parent / "skewed"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What all nodes of a fleet share. Administrators reach the database by `admin_url`; `tree` is the program."""

    policies: Path
    home: Path
    backend_url: str
    state_url: str = "memory://"
    database_url: str = ""
    admin_url: str = ""
    tree: Path = ROOT
    environment: dict[str, str] = {}

    @property
    def settings(self) -> Settings:
        """What the administrator's commands need to know."""
        return Settings(home=self.home, database_url=self.admin_url)

    @property
    def served_database(self) -> str:
        """The database as nodes reach it."""
        return self.database_url or self.settings.database


class Node(Server):
    """One node: a group of workers under a supervisor, or a single process. Ready when /readyz says so."""

    def __init__(self, place: Place, *, workers: int = 1, clock_ahead_ms: int = 0) -> None:
        super().__init__("node")
        self._place = place
        self._workers = workers
        self._clock = self.folder / "clock"
        self.health_port = free_port()
        self._clock.write_bytes(bytes(8))
        self.set_clock(clock_ahead_ms)

    def set_clock(self, ahead_ms: int) -> None:
        """Set the node's wall clock, also while it runs."""
        with self._clock.open("r+b", buffering=0) as file:
            file.write((ahead_ms * 1_000_000).to_bytes(8, "little", signed=True))

    def command(self) -> tuple[str, ...]:
        place = self._place
        listen = ("--listen", f"127.0.0.1:{self.port}", "--health-listen", f"127.0.0.1:{self.health_port}")
        stores = ("--state-url", place.state_url, "--database-url", place.served_database)
        flags = ("--policies", str(place.policies), *listen, *stores, "--decision-log", str(self.folder / "decisions"))
        return (sys.executable, "-m", "guard", "serve", *flags, "--workers", str(self._workers))

    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("GUARD_")}
        return inherited | {
            "PYTHONPATH": f"{self._place.tree}:{_SKEWED}",
            "FAULTS_CLOCK": str(self._clock),
            "BACKEND_URL": self._place.backend_url,
            "GUARD_HOME": str(self._place.home),
            "GUARD_LOG_LEVEL": "info",
            "GUARD_ADMIN_LISTEN": "none",
            **self._place.environment,
        }

    def answers(self) -> bool:
        try:
            return self.readyz().status == 200
        except OSError:
            return False

    def told(self) -> str:
        try:
            return f"{self.readyz().body.decode()}\n{super().told()}"
        except OSError as error:
            return f"{error}\n{super().told()}"

    def empty(self) -> None:
        """It stores nothing itself."""

    def readyz(self) -> Response:
        return self.health("/readyz")

    def health(self, path: str) -> Response:
        """One of the health resources."""
        return ask(self.health_port, message("GET", path, [(b"Host", b"health")]), timeout_s=2.0)

    def workers(self) -> list[int]:
        """The processes under its supervisor."""
        return [pid for pid in family(self.pid) if pid != self.pid]

    def decisions(self) -> list[dict[str, Any]]:
        """The decision log, line by line."""
        return [msgspec.json.decode(line) for line in (self.folder / "decisions").read_bytes().splitlines()]
