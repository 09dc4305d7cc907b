"""The keyring on its database, opened: for `guard dev` and for the administrator's commands."""

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from guard.model.names import UnixMs
from guard.service.keyring import Keyring
from guard.settings import Settings
from guard.state.sql import KeyDatabase, sealing_key_of


@asynccontextmanager
async def open_keyring(settings: Settings) -> AsyncIterator[Keyring]:
    """The keyring, for the time of the block. Raises StateError if its database or sealing key cannot be used."""
    sealing = sealing_key_of(settings.database, settings.sealing_key)
    database = await KeyDatabase.open(settings.database, sealing)
    try:
        yield Keyring(database, pepper=sealing.pepper, now=_wall_clock, random=secrets.token_bytes)
    finally:
        await database.close()


def _wall_clock() -> UnixMs:
    return UnixMs(time.time_ns() // 1_000_000)
