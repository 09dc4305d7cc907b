"""The key database and its keyring, opened: for the gateway, for `guard dev` and for the administrator's commands."""

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.engine import make_url

from guard.model.names import UnixMs
from guard.service.keyring import Keyring
from guard.settings import Settings
from guard.state.sealing import SealingKey
from guard.state.sql import KeyDatabase


def opened_sealing_key(settings: Settings) -> SealingKey:
    """The sealing key; a new one only where there is no database yet whose secrets an old one would have sealed."""
    settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if settings.sealing_key.exists() or _has_database(settings):
        return SealingKey.load(settings.sealing_key)
    return SealingKey.create(settings.sealing_key)


@asynccontextmanager
async def open_keyring(settings: Settings) -> AsyncIterator[Keyring]:
    """The keyring, for the time of the block. Raises SealingError or DatabaseError if it cannot be used."""
    sealing = opened_sealing_key(settings)
    database = await KeyDatabase.open(settings.database, sealing)
    try:
        yield Keyring(database, pepper=sealing.pepper, now=_wall_clock, random=secrets.token_bytes)
    finally:
        await database.close()


def _has_database(settings: Settings) -> bool:
    file = make_url(settings.database).database
    return file is not None and (settings.home / file).exists()


def _wall_clock() -> UnixMs:
    return UnixMs(time.time_ns() // 1_000_000)
