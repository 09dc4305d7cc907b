"""The alarm of honeytokens: each use is logged, and at the first the key is reported compromised, so that the audit
trail has where it was used from. Off the road of every answer.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog

from guard.app.keys import keyring_of
from guard.core.lifecycle import KeyCommand
from guard.model.names import Address, KeyId, RequestId
from guard.service.admins import GATEWAY
from guard.service.key_orders import KeyringError
from guard.service.key_steps import By
from guard.state.faults import StateError
from guard.state.vault import Vault

Alarm = Callable[[KeyId, Address, RequestId], None]

_log = structlog.get_logger()


@asynccontextmanager
async def honeytoken_alarm(vault: Vault, key_tag: Callable[[KeyId], str]) -> AsyncIterator[Alarm]:
    """The alarm, for the time of the block; on leaving, what was still to be written is.

    Each key is reported once. A report that the database does not take is logged, and made again at the next use.
    """
    keyring = keyring_of(vault)
    told: set[KeyId] = set()
    tasks: set[asyncio.Task[None]] = set()

    async def report(key_id: KeyId, address: Address, request_id: RequestId) -> None:
        by = By(GATEWAY, f"honeytoken used from {address}, {request_id}", "gateway")
        try:
            await keyring.command(key_id, KeyCommand.REPORT_COMPROMISED, by)
        except KeyringError:
            return  # another process was faster
        except StateError as error:
            told.discard(key_id)
            _log.error("honeytoken.not_reported", key=key_tag(key_id), error=str(error))

    def alarm(key_id: KeyId, address: Address, request_id: RequestId) -> None:
        _log.critical("honeytoken.used", key=key_tag(key_id), address=address, request=request_id)
        if key_id not in told:
            told.add(key_id)
            task = asyncio.get_running_loop().create_task(report(key_id, address, request_id))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    try:
        yield alarm
    finally:
        await asyncio.gather(*tasks, return_exceptions=True)
