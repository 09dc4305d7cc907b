"""Ends keys that nobody uses and that are good from anywhere, once an hour, if the settings say after how long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from guard.app.keys import open_revoking
from guard.service.admins import GATEWAY
from guard.service.key_orders import KeyringError
from guard.service.key_steps import By
from guard.service.revoking import Revoking
from guard.settings import Settings
from guard.state.faults import StateError

EVERY_S = 3600.0
_DAY_MS = 86_400_000

_log = structlog.get_logger()


@asynccontextmanager
async def ending_idle_keys(settings: Settings, *, every_s: float = EVERY_S) -> AsyncIterator[None]:
    """For the time of the block, if GUARD_KEYS_IDLE_DAYS is set. Raises StateError as `open_keyring` does.

    Several nodes may do so at once: a key is ended once.
    """
    if settings.keys_idle_days is None:
        yield
        return
    async with open_revoking(settings) as (revoking, _):
        task = asyncio.create_task(_ending(revoking, settings.keys_idle_days, every_s), name="end idle keys")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _ending(revoking: Revoking, days: int, every_s: float) -> None:
    by = By(GATEWAY, f"not used for {days} days, and bound to no network", "gateway")
    while True:
        try:
            ended = await revoking.end_idle(days * _DAY_MS, by)
        except (KeyringError, StateError) as error:
            _log.error("keys.idle_not_ended", error=str(error))
        else:
            if ended:
                _log.warning("keys.idle_ended", count=len(ended), keys=[key.id for key in ended[:10]])
        await asyncio.sleep(every_s)
