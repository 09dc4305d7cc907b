"""The keys of a run, and who may use which. Two worker processes that sign with the same key would take from each
other's limits, and honest traders would be denied: so each worker has its own, unless sharing is the point.
"""

import secrets
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgspec


class LoadKey(msgspec.Struct, frozen=True):
    """An HMAC key of guard-v1 that was made for a run."""

    id: str
    secret: str
    account: str
    scopes: tuple[str, ...] = ("read", "trade")


class Role(msgspec.Struct, frozen=True):
    """A part that traders play. Those of a `shared` role all use one key; else each trader has one of their own."""

    name: str
    shared: bool = False


Keys: TypeAlias = Mapping[str, tuple[tuple[LoadKey, ...], ...]]
"""For each role, the keys of each worker."""


def minted(roles: Sequence[Role], *, users: int, workers: int) -> Keys:
    """Fresh keys, each of an account of its own. All `users` may end up on one worker, so each has that many a role."""
    return {
        role.name: tuple(_minted(role, users=users, worker=worker) for worker in range(1 if role.shared else workers))
        * (workers if role.shared else 1)
        for role in roles
    }


def every(keys: Keys) -> tuple[LoadKey, ...]:
    """All of them, each once."""
    return tuple({key.id: key for of_role in keys.values() for of_worker in of_role for key in of_worker}.values())


def of_worker(keys: Keys, role: str, worker: int) -> tuple[LoadKey, ...]:
    """What one worker may sign with. Raises LookupError for a worker that the run does not have."""
    of_role = keys[role]
    if not 0 <= worker < len(of_role):
        raise LookupError(f"worker {worker} has no keys: the run was planned for {len(of_role)} workers")
    return of_role[worker]


def _minted(role: Role, *, users: int, worker: int) -> tuple[LoadKey, ...]:
    return tuple(
        LoadKey(f"k_{role.name}_{worker}_{number}", secrets.token_urlsafe(32), f"{role.name}-{worker}-{number}")
        for number in range(1 if role.shared else users)
    )
