"""What the fault runs share: a fleet of nodes before one ledger, on state and a database that the run chose."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from guard.app.keys import open_keyring
from guard.service.keyring import By
from tests.faults.ledger import Ledger, LedgerBackend, ledger_backend
from tests.faults.node import Node, Place
from tests.faults.traffic import Orders
from tests.system.key_holder import Key, minted

_KEYS = 8


class Fleet(msgspec.Struct, frozen=True):
    """All nodes are ready; all keys are of one account."""

    place: Place
    nodes: tuple[Node, ...]
    backend: LedgerBackend
    keys: tuple[Key, ...]

    def ledger(self) -> Ledger:
        return self.backend.ledger()

    def orders(self, name: str, **how: object) -> Orders:
        """What clients of all nodes send. `how` is for `Orders`."""
        keys = tuple((key.id, key.secret.decode()) for key in self.keys)
        ports = tuple(node.port for node in self.nodes)
        return msgspec.convert({"name": name, "ports": ports, "keys": keys, **how}, Orders)


@contextmanager
def fleet(
    policy: str, *, nodes: int = 2, workers: int = 2, clocks_ms: tuple[int, ...] = (), **place: object
) -> Iterator[Fleet]:
    """Nodes of so many workers each that serve one policy, for the time of the block. `place` is for `Place`."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="guard-fleet-")))
        backend = stack.enter_context(ledger_backend())
        (home / "policies").mkdir()
        (home / "policies" / "faults.yaml").write_text(policy)
        where = msgspec.convert(
            {"policies": home / "policies", "home": home, "backend_url": backend.url, **place}, Place, strict=False
        )
        keys = tuple(minted() for _ in range(_KEYS))
        import_keys(where, *keys)
        started = []
        for number in range(nodes):
            ahead_ms = clocks_ms[number] if clocks_ms else 0
            started.append(stack.enter_context(Node(where, workers=workers, clock_ahead_ms=ahead_ms)))
        yield Fleet(where, tuple(started), backend, keys)


def import_keys(place: Place, *keys: Key) -> None:
    """What `guard keys import` does, without starting a process."""

    async def imported() -> None:
        async with open_keyring(place.settings) as keyring:
            await keyring.take_over([key.order for key in keys], By("fault runs"))

    asyncio.run(imported())
