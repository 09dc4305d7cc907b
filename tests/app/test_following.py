"""A node enters before it reads its first key, follows, and leaves after its last request."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from guard.app import following as room
from guard.app.clock import AnchoredClock
from guard.app.following import Fleet, clock_heard, following, node_of
from guard.app.keys import keyring_of, open_vault
from guard.model.names import UnixMs
from guard.model.nodes import NodeStatus
from guard.service.clock_guard import ClockGuard
from guard.service.enforcement import InForce
from guard.service.key_orders import KeyOrder
from guard.service.keyring import By
from guard.settings import Settings
from guard.state.faults import StateError
from guard.state.sealing import SealingKey
from guard.state.vault import Vault
from guard.telemetry.meter import Meter

NOW = UnixMs(1_800_000_000_000)


def still() -> AnchoredClock:
    """A clock that stands still."""
    return AnchoredClock(lambda: NOW * 1_000_000, lambda: 0)


def real() -> AnchoredClock:
    return AnchoredClock(time.time_ns, time.monotonic_ns)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
async def vault(settings: Settings) -> AsyncIterator[Vault]:
    async with open_vault(settings) as opened:
        yield opened


async def test_node_is_seen_while_it_follows_and_not_after(settings: Settings, vault: Vault) -> None:
    await keyring_of(vault).create(KeyOrder(account="acme"), By("test"))
    async with following(vault, settings, still(), Meter()) as followed:
        directory = followed.directory
        [seen] = await vault.nodes.all(NOW)
        assert (seen.revision, seen.node.listen) == (directory.revision, settings.listen)
        assert seen.revision == 1
    assert await vault.nodes.all(NOW) == ()


async def test_change_is_in_force_once_the_node_that_follows_has_acknowledged_it(
    settings: Settings, vault: Vault
) -> None:
    async with following(vault, settings, real(), Meter()):
        keyring = keyring_of(vault)
        issued = await keyring.create(KeyOrder(account="acme"), By("test"))
        force = await keyring.in_force(issued.key.revision)
    assert isinstance(force, InForce)
    assert (force.nodes, force.expired) == (1, ())


def test_lease_is_as_long_as_known_keys_go_on(settings: Settings) -> None:
    assert node_of(settings, NOW, alone=False).lease_ms == 900
    served = Settings(home=settings.home, keys_on_stale="serve 30s")
    assert node_of(served, NOW, alone=False).lease_ms == 30_000


@pytest.mark.system
async def test_second_node_with_nonces_of_its_own_is_refused_on_a_server(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_WAIT_FOR_THE_DEAD_S", 0.0)
    SealingKey.create(tmp_path / "sealing.key")
    settings = Settings(home=tmp_path, database_url=postgres_url)
    async with open_vault(settings) as opened, following(opened, settings, real(), Meter()):
        with pytest.raises(StateError, match=r"another gateway serves .* GUARD_STATE_URL"):
            async with following(opened, settings, real(), Meter()):
                pass
    async with open_vault(settings) as opened, following(opened, settings, real(), Meter()):
        assert len(await opened.nodes.all(NOW)) == 1


def status(silent_ms: int) -> NodeStatus:
    node = node_of(Settings(), UnixMs(0), alone=False)
    return NodeStatus(node=node, revision=0, silent_ms=silent_ms, clock_offset_ms=None)


def test_fleet_is_all_that_serve_and_who_was_killed_until_it_is_certainly_gone() -> None:
    fleet = Fleet(UnixMs(0))
    fleet.counted((status(0), status(60_000), status(60_001)))
    assert [fleet.processes(UnixMs(at)) for at in (0, 2999, 3000)] == [0, 0, 2]


def test_reading_of_a_shared_clock_reaches_the_guard_and_the_metrics() -> None:
    meter = Meter()
    clocks = ClockGuard(1000, lambda: 0, lambda: None)
    clock_heard("redis", clocks, meter)(NOW, UnixMs(NOW - 3000), NOW)
    assert not clocks.is_sure()
    assert clocks.disagreements() == ("clock: 3000 ms ahead of the redis's, more than 1000",)
    assert [value for key, value in meter.tally().gauges.items() if "redis" in key] == [3000]
