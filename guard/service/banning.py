"""The administrator's line for bans: looking at them, adding one, lifting and extending.

Values in, values out, as `service/halting.py`. What is asked for and cannot be done is a KeyringError, and then nothing
was changed.
"""

from collections.abc import Callable, Collection
from ipaddress import IPv4Network
from typing import Final

import msgspec

from guard.model.abuse import Action, SubjectKind
from guard.model.audit import Deed
from guard.model.bans import EVERY_SERVICE, Ban
from guard.model.names import KeyId, UnixMs
from guard.model.rules import Mode
from guard.service.enforcement import Enforcement, Force
from guard.service.key_orders import KeyringError, Obstacle, refuse_without_why
from guard.service.key_steps import By
from guard.service.watch import ban_id
from guard.state.vault import Vault
from guard.wire.client_address import network_in

TERM_MS: Final = (1_000, 366 * 86_400_000)
"""The shortest and the longest ban."""

_OPERATOR: Final = "operator/"  # no service has a slash in its name
_V4_PREFIX_MIN, _V6_PREFIX_MIN = 8, 16


class BanOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is to be banned, or put into quarantine, and for how long. `service` is empty for all of them."""

    kind: SubjectKind
    name: str
    for_ms: int
    service: str = EVERY_SERVICE
    action: Action = Action.BAN


class Banning:
    """Everything that can be done to bans, in one vault."""

    def __init__(self, vault: Vault, *, now: Callable[[], UnixMs], enforcement: Enforcement) -> None:
        self._bans = vault.bans
        self._keys = vault.keys
        self._now = now
        self._enforcement = enforcement

    async def bans(self, *, ended: bool = False) -> tuple[Ban, ...]:
        """Those in force, oldest first; with those that are over or lifted, if asked for."""
        now = self._now()
        return tuple(ban for ban in await self._bans.all() if ended or ban.is_in_force(now))

    async def find(self, chosen: str) -> Ban:
        """The one of this id, in force or over."""
        for ban in await self._bans.all():
            if ban.id == chosen:
                return ban
        raise KeyringError(f"there is no ban {chosen}: `guard bans list --ended` shows all", Obstacle.UNKNOWN)

    async def add(self, order: BanOrder, by: By) -> Ban:
        """Put a ban in force until its end, whatever policies say, in place of an operator's earlier one."""
        refuse_without_why(by.why)
        _refuse_term(order.for_ms)
        if order.action not in (Action.BAN, Action.QUARANTINE):
            raise KeyringError(f"{order.action} is for policies alone: say ban or quarantine", field="action")
        name, now = await self._name(order), self._now()
        ban = Ban(
            id=ban_id(f"{_OPERATOR}{order.service}", order.kind, name, Mode.ENFORCE),
            service=order.service,
            kind=order.kind,
            name=name,
            action=order.action,
            since=now,
            until=UnixMs(now + order.for_ms),
            why=by.why,
            actor=by.actor,
        )
        [written] = await self._bans.write([ban], _deed("ban", by, now))
        return written

    async def lift(self, ids: Collection[str], by: By) -> tuple[Ban, ...]:
        """Lift these bans, all of them or none. The scores that led to them begin anew."""
        return await self._changed(ids, by, "lift", lambda ban, now: msgspec.structs.replace(ban, lifted_at=now))

    async def extend(self, chosen: str, for_ms: int, by: By) -> Ban:
        """Have it end so long from now."""
        _refuse_term(for_ms)
        [changed] = await self._changed(
            [chosen], by, "extend", lambda ban, now: msgspec.structs.replace(ban, until=UnixMs(now + for_ms))
        )
        return changed

    async def in_force(self, revision: int) -> Force:
        """Whether every node follows what was committed as this revision. Answered within a second."""
        return await self._enforcement.of(revision)

    async def _changed(
        self, ids: Collection[str], by: By, command: str, change: Callable[[Ban, UnixMs], Ban]
    ) -> tuple[Ban, ...]:
        refuse_without_why(by.why)
        now, wanted = self._now(), set(ids)
        for unknown in wanted - {ban.id for ban in await self.bans()}:
            sentence = f"no ban {unknown} is in force: `guard bans list` shows those that are"
            raise KeyringError(sentence, Obstacle.UNKNOWN)
        return await self._bans.change(
            lambda ban: change(ban, now) if ban.id in wanted else None, _deed(command, by, now)
        )

    async def _name(self, order: BanOrder) -> str:
        match order.kind:
            case SubjectKind.IP:
                return network_named(order.name)
            case SubjectKind.KEY:
                record = await self._keys.find(KeyId(order.name))
                if record is None:
                    raise KeyringError(f"there is no key {order.name}: `guard keys list` shows them", field="name")
                return record.lineage
            case SubjectKind.ACCOUNT:
                if not await self._keys.is_known(account=order.name):
                    sentence = f"account {order.name} has no key: `guard keys list` shows the accounts that have one"
                    raise KeyringError(sentence, field="name")
                return order.name


def network_named(text: str) -> str:
    """An address or network as bans name it: IPv4-mapped IPv6 is IPv4; a zone id is refused, as it is in addresses."""
    try:
        network = network_in(text)
    except ValueError:
        raise KeyringError(f"{text!r} is no address and no network", field="name") from None
    if "%" in text:  # knockout: zone_is_nobodys
        raise KeyringError(f"{text!r} is of one interface: clients have no zone", field="name")
    v4 = isinstance(network, IPv4Network)
    least = _V4_PREFIX_MIN if v4 else _V6_PREFIX_MIN
    if network.prefixlen < least:
        raise KeyringError(f"wider than /{least}: that would ban a good part of the world", field="name")
    return str(network.network_address) if v4 and network.prefixlen == network.max_prefixlen else str(network)


def _refuse_term(for_ms: int) -> None:
    least, most = TERM_MS
    if not least <= for_ms <= most:
        raise KeyringError("a ban lasts from a second to a year", field="for_ms")


def _deed(command: str, by: By, now: UnixMs) -> Deed:
    return Deed(command=command, actor=by.actor, why=by.why, at=now, origin=by.origin)
