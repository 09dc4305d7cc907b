"""What the key database tells a node of policies: a version that all are to take, and what became of
a change that waits.

Asked each second; a database that does not answer is asked again, and until then what is in force stays in force.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from guard.model.admins import ReleaseState
from guard.service.key_steps import By
from guard.service.policy_consent import PolicyConsent, by_both
from guard.service.reloading import Demand, Reloading
from guard.state.faults import StateError
from guard.state.vault import Vault

EVERY_S: Final = 1.0


@asynccontextmanager
async def following_orders(reloading: Reloading, vault: Vault, consent: PolicyConsent) -> AsyncIterator[None]:
    """Follow, for the time of the block, what is ordered from now on. Raises StateError if that cannot be known."""
    task = asyncio.create_task(
        _follow(reloading, vault, consent, await _ordered(vault)), name="follow what is ordered of policies"
    )
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _follow(reloading: Reloading, vault: Vault, consent: PolicyConsent, taken: int) -> None:
    while True:
        await asyncio.sleep(EVERY_S)
        try:
            taken = await _taken(reloading, vault, taken)
            await _settle(reloading, consent)
        except StateError:
            continue  # the directory of keys says that the database does not answer


async def _taken(reloading: Reloading, vault: Vault, taken: int) -> int:
    """Take the last version that was ordered, if it is a new one; its number."""
    version = await vault.policies.ordered()
    if version is None or version.number <= taken:
        return taken
    files = await vault.policies.files_of(version)
    if files is not None:
        demand = Demand(by=By(version.actor, version.why), ordered=True)
        await reloading.follow(version.number, files, demand)
    return version.number


async def _settle(reloading: Reloading, consent: PolicyConsent) -> None:
    release = reloading.waits_for
    if not release:
        return
    found = await consent.find(release)
    if found is None or found.state in (ReleaseState.REJECTED, ReleaseState.EXPIRED):
        await reloading.again(release, None)
    elif found.state is ReleaseState.CONFIRMED:
        await reloading.again(release, by_both(found))


async def _ordered(vault: Vault) -> int:
    version = await vault.policies.ordered()
    return 0 if version is None else version.number
