"""A rule that denies too many after its promotion is in shadow again, on all nodes, and somebody is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from guard.app import promotions as module
from guard.app.promotions import watching_promotions
from guard.model.rules import Mode
from guard.service.promotions import Promotions, Trial
from guard.service.rulebook import Rulebook, Rules
from guard.state.faults import StateError
from guard.state.sealing import SealingKey
from guard.state.vault import Vault
from guard.telemetry.meter import Meter
from tests.build import NOW, limit, policies, route, service

_PATIENCE_S = 5


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[Vault]:
    opened = await Vault.open(f"sqlite:///{tmp_path}/guard.db", SealingKey(bytes(32), Path("sealing.key")))
    yield opened
    await opened.close()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOK_EVERY_S", 0.01)


def _book(mode: Mode) -> Rulebook:
    held = (limit("weight", mode=mode),)
    return Rulebook(policies=policies(service(route(limits_principal=held))), schemes={})


def _condemned(promotions: Promotions) -> Trial:
    """The one rule that is watched has denied 30 of 30 keys."""
    [trial] = promotions._places["exchange"].trials  # how it comes to that is tested there
    names: Any = {f"k{number}" for number in range(30)}
    trial.active, trial.denied, trial.accounts = set(names), set(names), set(names)
    return trial


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while not holds():  # noqa: ASYNC110  # it is the database that is waited for
            await asyncio.sleep(0.01)


async def test_it_is_put_back_for_a_day_audited_counted_and_said_aloud(vault: Vault) -> None:
    rules, meter = Rules(_book(Mode.SHADOW)), Meter()
    with capture_logs() as logs:
        async with watching_promotions(vault, rules, lambda: NOW, meter) as promotions:
            rules.put(_book(Mode.ENFORCE))
            _condemned(promotions)
            await _until(lambda: not promotions.listening)
    [made] = await vault.overrides.all()
    assert (made.service, made.rule, made.mode) == ("exchange", "limits.weight", Mode.SHADOW)
    assert (made.until - made.since, made.actor) == (86_400_000, "guard serve")
    assert made.why == "30 of 30 active keys denied after its promotion; 1% may be"
    assert [(each.command, each.actor) for each in await vault.trail.records()] == [("override", "guard serve")]
    assert [(each["event"], each["log_level"], each["rule"], each["override"]) for each in logs] == [
        ("promotion.put_back", "error", "limits.weight", made.id)
    ]
    counted = meter.tally().counts
    assert counted["guard_promotions_put_back_total", "exchange", "limits.weight"] == 1


async def test_of_several_processes_one_puts_it_back_and_the_others_leave_it_at_that(vault: Vault) -> None:
    with capture_logs() as logs:
        for _ in range(2):
            rules = Rules(_book(Mode.SHADOW))
            async with watching_promotions(vault, rules, lambda: NOW, Meter()) as promotions:
                rules.put(_book(Mode.ENFORCE))
                _condemned(promotions)
                await _until(lambda: not promotions.listening)  # waited for in its turn
    assert len(await vault.overrides.all()) == 1
    assert [each["event"] for each in logs] == ["promotion.put_back"]


async def test_a_database_that_does_not_answer_is_asked_again(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    rules, real = Rules(_book(Mode.SHADOW)), vault.overrides.put
    failures = [StateError("down"), StateError("down")]

    async def put(*order: Any, **how: Any) -> Any:
        if failures:
            raise failures.pop()
        return await real(*order, **how)

    monkeypatch.setattr(vault.overrides, "put", put)
    with capture_logs() as logs:
        async with watching_promotions(vault, rules, lambda: NOW, Meter()) as promotions:
            rules.put(_book(Mode.ENFORCE))
            _condemned(promotions)
            await _until(lambda: not promotions.listening)
    assert [each["event"] for each in logs] == ["promotion.not_put_back"] * 2 + ["promotion.put_back"]
