"""Overrides of the database, in force in a process while they last."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from guard.app.overriding import overriding
from guard.model.names import UnixMs
from guard.model.rules import Mode
from guard.service.rulebook import Rulebook, Rules
from guard.state.directory import FollowingDirectory
from guard.state.sealing import SealingKey
from guard.state.vault import Vault
from tests.build import NOW, limit, override, policies, route, service
from tests.state.key_records import deed

_PATIENCE_S = 5


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[Vault]:
    opened = await Vault.open(f"sqlite:///{tmp_path}/guard.db", SealingKey(bytes(32), Path("sealing.key")))
    yield opened
    await opened.close()


def _rules() -> Rules:
    return Rules(Rulebook(policies=policies(service(route(limits_principal=(limit("key"),)))), schemes={}))


def _mode(rules: Rules) -> Mode:
    [found] = rules.policies.services
    return next(found.routes.routes()).limits_principal[0].rule.mode


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while not holds():  # noqa: ASYNC110  # it is time that is waited for
            await asyncio.sleep(0.01)


async def test_what_stands_in_the_database_is_in_force_from_the_start_and_ends_by_itself(vault: Vault) -> None:
    await vault.overrides.put(override("limits.key"), deed("override"))
    clock, rules = [NOW], _rules()
    with capture_logs() as logs:
        async with overriding(
            vault.overrides, FollowingDirectory(vault.keys, lambda: NOW), rules, lambda: clock[0]
        ) as board:
            assert (_mode(rules), len(board.in_force)) == (Mode.SHADOW, 1)
            clock[0] = UnixMs(NOW + 60_000)
            await _until(lambda: _mode(rules) is Mode.ENFORCE)
    assert [(each["event"], each["overrides"]) for each in logs] == [
        ("modes.overridden", ["limits.key shadow (mode_test)"]),
        ("modes.overridden", []),
    ]


async def test_what_a_poll_finds_is_in_force_when_it_returns(vault: Vault) -> None:
    directory, rules = FollowingDirectory(vault.keys, lambda: NOW), _rules()
    async with overriding(vault.overrides, directory, rules, lambda: NOW):
        assert _mode(rules) is Mode.ENFORCE
        await vault.overrides.put(override("limits.key"), deed("override"))
        await directory.refresh()
        assert _mode(rules) is Mode.SHADOW
