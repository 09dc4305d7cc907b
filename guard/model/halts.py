"""Halts: whom or what an operator has stopped, and what still goes through meanwhile.

Whether a halt stops a message is `core/checks/halts.py`; how nodes hear of one is `state/directory.py`.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NewType

import msgspec

from guard.model.names import AccountId, KeyId, UnixMs

HaltId = NewType("HaltId", str)


class HaltKind(StrEnum):
    """What a halt is over."""

    ACCOUNT = "account"
    KEY = "key"
    SERVICE = "service"
    ALL = "all"


class Halt(msgspec.Struct, frozen=True, kw_only=True):
    """One halt. `name` is the account, key id or service; empty where it is over all of them.

    `reads_only` lets routes pass that only read, and `with_cancels` those of `priority: critical`: without either,
    nothing passes. It is in force until it is lifted, and kept after that.
    """

    id: HaltId
    kind: HaltKind
    name: str
    reads_only: bool = False
    with_cancels: bool = False
    why: str
    actor: str
    since: UnixMs
    lifted_at: UnixMs | None = None
    revision: int = 0


class Halts(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The halts in force, by what they are over. Where several are over one message, each may stop it."""

    everywhere: tuple[Halt, ...] = ()
    services: Mapping[str, tuple[Halt, ...]] = {}
    accounts: Mapping[str, tuple[Halt, ...]] = {}
    keys: Mapping[str, tuple[Halt, ...]] = {}

    def over_service(self, name: str) -> tuple[Halt, ...]:
        """Those over this service, or over everything."""
        return (*self.everywhere, *self.services.get(name, ()))

    def over_holder(self, key: KeyId, account: AccountId) -> tuple[Halt, ...]:
        """Those over this key, or over its account."""
        return (*self.accounts.get(account, ()), *self.keys.get(key, ()))


NO_HALTS: Final = Halts()
"""Nothing is halted: what there is on almost every day, and is told by identity."""


def halts_of(known: Iterable[Halt]) -> Halts:
    """The view of those that are not lifted; NO_HALTS if there is none."""
    named: dict[HaltKind, dict[str, tuple[Halt, ...]]] = {kind: {} for kind in HaltKind}
    for halt in known:
        if halt.lifted_at is None:  # knockout: halt_is_not_lifted
            alike = named[halt.kind]
            alike[halt.name] = (*alike.get(halt.name, ()), halt)
    if not any(named.values()):
        return NO_HALTS
    return Halts(
        everywhere=named[HaltKind.ALL].get("", ()),
        services=named[HaltKind.SERVICE],
        accounts=named[HaltKind.ACCOUNT],
        keys=named[HaltKind.KEY],
    )
