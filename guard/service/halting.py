"""The administrator's line for halts: stopping an account, a key, a service or everything at once, and lifting that.

Values in, values out, as `service/keyring.py`. What is asked for and cannot be done is a KeyringError, and then nothing
was changed.
"""

from collections.abc import Callable, Collection

import msgspec

from guard.model.audit import Deed
from guard.model.halts import Halt, HaltId, HaltKind
from guard.model.names import UnixMs
from guard.service.enforcement import Enforcement, Force
from guard.service.key_orders import KeyringError, Obstacle, refuse_without_why
from guard.service.keyring import By
from guard.state.vault import Vault

_ID_RANDOM_BYTES = 6
_NAME_CHARACTERS_MAX = 128


class HaltOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be halted, and what still passes: see `Halt`. `name` is empty for ALL."""

    kind: HaltKind
    name: str = ""
    reads_only: bool = False
    with_cancels: bool = False


class Halting:
    """Everything that can be done to halts, in one vault."""

    def __init__(
        self,
        vault: Vault,
        *,
        now: Callable[[], UnixMs],
        random: Callable[[int], bytes],
        enforcement: Enforcement,
    ) -> None:
        self._halts = vault.halts
        self._keys = vault.keys
        self._now = now
        self._random = random
        self._enforcement = enforcement

    async def halt(self, order: HaltOrder, by: By) -> Halt:
        """Put a halt in force, beside those that there are: each is lifted by itself. It is committed on return.

        An account or key that nobody knows is refused: a misspelt halt would stop nobody, and look as if it did.
        """
        refuse_without_why(by.why)
        await self._refuse_nobody(order)
        now = self._now()
        halt = Halt(
            id=HaltId(f"halt_{self._random(_ID_RANDOM_BYTES).hex()}"),
            kind=order.kind,
            name=order.name,
            reads_only=order.reads_only,
            with_cancels=order.with_cancels,
            why=by.why,
            actor=by.actor,
            since=now,
        )
        return await self._halts.insert(halt, _deed("halt", by, now))

    async def lift(self, ids: Collection[str], by: By) -> tuple[Halt, ...]:
        """Lift these halts, all of them or none."""
        refuse_without_why(by.why)
        now = self._now()
        wanted = set(ids)
        for unknown in wanted - {halt.id for halt in await self.halts()}:
            sentence = f"no halt {unknown} is in force: `guard halt list` shows those that are"
            raise KeyringError(sentence, Obstacle.UNKNOWN)
        return await self._halts.lift(lambda halt: halt.id in wanted, now, _deed("lift", by, now))

    async def lift_over(self, kind: HaltKind, name: str, by: By) -> tuple[Halt, ...]:
        """Lift every halt over exactly this: one of its service or of everything still stands."""
        refuse_without_why(by.why)
        now = self._now()
        lifted = await self._halts.lift(
            lambda halt: halt.kind is kind and halt.name == name, now, _deed("lift", by, now)
        )
        if not lifted:
            raise KeyringError(f"nothing is halted there ({over(kind, name)}): `guard halt list` shows what is")
        return lifted

    async def halts(self, *, lifted: bool = False) -> tuple[Halt, ...]:
        """The halts in force, oldest first; with those that were lifted, if asked for."""
        return tuple(halt for halt in await self._halts.all() if lifted or halt.lifted_at is None)

    async def in_force(self, revision: int) -> Force:
        """Whether every node follows what was committed as this revision. Answered within a second."""
        return await self._enforcement.of(revision)

    async def _refuse_nobody(self, order: HaltOrder) -> None:
        if order.kind is HaltKind.ALL:
            if order.name:
                raise KeyringError("a halt of everything has no name", field="name")
            return
        if not order.name or len(order.name) > _NAME_CHARACTERS_MAX or not order.name.isprintable():
            sentence = f"say which {order.kind}: its name has 1 to {_NAME_CHARACTERS_MAX} printable characters"
            raise KeyringError(sentence, field="name")
        if order.kind is HaltKind.KEY and not await self._keys.is_known(key_id=order.name):
            sentence = f"there is no key {order.name}: `guard keys list` shows those that there are"
            raise KeyringError(sentence, field="name")
        if order.kind is HaltKind.ACCOUNT and not await self._keys.is_known(account=order.name):
            sentence = f"account {order.name} has no key: `guard keys list` shows the accounts that have one"
            raise KeyringError(sentence, field="name")


def over(kind: HaltKind, name: str) -> str:
    """What a halt is over, in words."""
    return "everything" if kind is HaltKind.ALL else f"{kind} {name}"


def _deed(command: str, by: By, now: UnixMs) -> Deed:
    return Deed(command=command, actor=by.actor, why=by.why, at=now, origin=by.origin)
