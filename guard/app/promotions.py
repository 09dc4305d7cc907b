"""Rules that deny too many after their promotion, put back to shadow: for a day, on all nodes, and said aloud."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog

from guard.app.keys import overriding_of
from guard.model.names import UnixMs
from guard.model.rules import Mode
from guard.service.admins import GATEWAY
from guard.service.key_orders import KeyringError
from guard.service.key_steps import By
from guard.service.overriding import OverrideOrder, Overriding
from guard.service.promotions import Promotions, Trial
from guard.service.rulebook import Rules
from guard.state.faults import StateError
from guard.state.vault import Vault
from guard.telemetry.meter import Meter

BACK_MS: Final = 86_400_000
"""How long a rule stays in shadow: time for a person to change its policy."""

_LOOK_EVERY_S: Final = 0.5

_log = structlog.get_logger()


@asynccontextmanager
async def watching_promotions(
    vault: Vault, rules: Rules, now: Callable[[], UnixMs], meter: Meter
) -> AsyncIterator[Promotions]:
    """Watch what reloads promote, for the time of the block."""
    promotions = Promotions(rules.base.policies, now)
    rules.changed = promotions.changed
    overriding = overriding_of(vault, lambda: rules.base.policies)
    task = asyncio.create_task(_looking(promotions, overriding, meter), name="watch promotions")
    try:
        yield promotions
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _looking(promotions: Promotions, overriding: Overriding, meter: Meter) -> None:
    while True:
        await asyncio.sleep(_LOOK_EVERY_S)
        for trial in promotions.excessive():
            await _put_back(trial, promotions, overriding, meter)


async def _put_back(trial: Trial, promotions: Promotions, overriding: Overriding, meter: Meter) -> None:
    """A database that does not answer is asked again, and the rule denies till then."""
    why = f"{len(trial.denied)} of {len(trial.active)} active keys denied after its promotion; {trial.percent}% may be"
    order = OverrideOrder(service=trial.service, rule=trial.rule, mode=Mode.SHADOW, for_ms=BACK_MS)
    try:
        made = await overriding.put_back(order, By(GATEWAY, why))
    except (StateError, KeyringError) as error:
        _log.error("promotion.not_put_back", service=trial.service, rule=trial.rule, error=str(error))
        return
    promotions.put_back((trial,))
    for override in made:
        meter.put_back(trial.service, trial.rule)
        _log.error("promotion.put_back", service=trial.service, rule=trial.rule, why=why, override=override.id)
