"""What the fault runs share: a fleet of nodes before one ledger, on the state and the database that a run chose."""

import asyncio
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from guard.app.keys import open_keyring
from guard.service.keyring import By
from tests.faults.ledger import Ledger, LedgerBackend, ledger_backend
from tests.faults.node import ROOT, Node, Place
from tests.faults.traffic import Orders
from tests.system.key_holder import Key, minted

BY = By("fault runs")

PATIENCE_MS = 250
PATIENT = {"GUARD_STORE_MS_MAX": str(PATIENCE_MS)}
"""For runs that ask how exact the store is, not how quick: on a busy machine many answers miss the usual deadline."""

_KEYS = 8
_TOLERANT = {"GUARD_CLOCK_MS_MAX": "10000"}
"""For nodes whose clocks are set apart on purpose: by default they would notice, and serve nobody."""

# Clients sign as guard-v1 says; a node whose clock is behind by two seconds may still serve them.
_SCHEME = """
scheme: faults-v1
extends: guard-v1
time: {past_ms: 10000, future_ms: 3000}
"""


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
        ports = tuple(node.port for node in self.nodes)
        return msgspec.convert({"name": name, "ports": ports, "keys": pairs(self.keys), **how}, Orders)

    def import_keys(self, *keys: Key) -> None:
        """What `guard keys import` does, without starting a process."""
        import_keys(self.place, *keys)


@contextmanager
def fleet(
    policy: str,
    *,
    nodes: int = 2,
    workers: int = 2,
    clocks_ms: tuple[int, ...] = (),
    state_url: str = "memory://",
    database_url: str = "",
    admin_url: str = "",
    tree: Path = ROOT,
    environment: dict[str, str] | None = None,
) -> Iterator[Fleet]:
    """Nodes of so many workers each that serve one policy, for the time of the block.

    `admin_url` is the database as administrators reach it, if that is another way.
    """
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="guard-fleet-")))
        backend = stack.enter_context(ledger_backend())
        (home / "policies").mkdir()
        (home / "policies" / "faults.yaml").write_text(policy)
        (home / "policies" / "faults-v1.scheme.yaml").write_text(_SCHEME)
        place = Place(
            policies=home / "policies",
            home=home,
            backend_url=backend.url,
            state_url=state_url,
            database_url=database_url,
            admin_url=admin_url or database_url,
            tree=tree,
            environment=_TOLERANT | (environment or {}) if clocks_ms else environment or {},
        )
        keys = tuple(minted() for _ in range(_KEYS))
        import_keys(place, *keys)
        ahead = clocks_ms or (0,) * nodes
        started = tuple(Node(place, workers=workers, clock_ahead_ms=ahead[number]) for number in range(nodes))
        for node in started:
            stack.callback(node.close)
            node.launch()
        for node in started:
            node.until(node.answers)
        yield Fleet(place, started, backend, keys)


def pairs(keys: Iterable[Key]) -> tuple[tuple[str, str], ...]:
    """Keys as clients are told them: id and secret."""
    return tuple((key.id, key.secret.decode()) for key in keys)


def import_keys(place: Place, *keys: Key) -> None:
    """See `Fleet.import_keys`."""

    async def imported() -> None:
        async with open_keyring(place.settings) as keyring:
            await keyring.take_over([key.order for key in keys], BY)

    asyncio.run(imported())


def policy(*, rate: int = 0, burst: int = 0, past: str = "10s", future: str = "1s", extra: str = "") -> str:
    """One service: orders, reads and cancels, all counted by the limit of their account if there is one."""
    limits = f"limits: {{account: {{per: [account], rate: {rate}/s, burst: {burst}}}}}" if rate else ""
    return f"""
version: 1
service: faults
match: {{hosts: [faults.test]}}
upstream: "${{BACKEND_URL}}"
auth: {{schemes: [faults-v1], window: {{past: {past}, future: {future}}}}}
{limits}
{extra}
routes:
  POST /v1/orders/{{mark}}: {{scope: trade}}
  GET /v1/orders/{{mark}}: {{scope: read}}
  DELETE /v1/orders/{{mark}}: {{scope: trade, priority: critical}}
"""
