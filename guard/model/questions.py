"""What is asked of state, and what it answers. One question a step, asked and spent in one go (never check, then act).

A question carries `now`; a shared store may use its own clock instead and says in its answer which time it used.
"""

from typing import TypeAlias

import msgspec

from guard.model.names import AccountId, KeyId, UnixMs
from guard.model.policy import Limit, Loss

BucketKey: TypeAlias = tuple[str, ...]
"""Whose meter: service, limit, then one value for each dimension of the limit. Compared part by part, never joined."""


Identity: TypeAlias = tuple[str, str, bytes]
"""What makes two messages the same: key id, scheme, and the nonce or SHA-256 of the signature base. Never a signature,
which can be written in several ways.
"""


class Debit(msgspec.Struct, frozen=True, gc=False):
    """`cost` tokens from one bucket or calendar quota, or one slot; `spare` more must be there, and are left.

    One that does not veto (a shadow limit) is taken if it fits, and never refuses. `percent` is what a throttle leaves
    of the rate: a cost that is told after the answer is scaled as `cost` was.
    """

    bucket: BucketKey
    limit: Limit
    cost: int
    vetoes: bool = True
    spare: int = 0
    percent: int = 100

    def scaled(self, cost: int) -> int:
        """What a cost comes to: never more than a meter can hold, and at least what it is without a throttle."""
        return max(cost, min(-(-cost * 100 // self.percent), self.limit.meter.capacity))


class Once(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A message that may be executed once.

    `binding` is a digest of verb and path: an identity seen with another binding is a replay. `repeatable` lets the
    same message pass again (it only reads and its scheme has no nonce). `burns` remembers the message even if a limit
    refuses it, so that a captured 429 cannot be executed later. It may be forgotten after `forget_after`, not before.
    """

    identity: Identity
    binding: bytes
    repeatable: bool
    burns: bool
    signed_at: UnixMs
    future_ms: int
    forget_after: UnixMs


class Charge(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Is this message fresh, and is there room for it? All or nothing. Asking again with the same id takes nothing.

    The slots that it takes are leased to its id for `hold_ms`, unless it is released earlier; 0 where it asks for none.
    `account` and `key_id` are those of the principal that was verified, None before and on open routes. `critical` ones
    are asked first where many wait. `loss` says what is to follow if the store does not answer; the store itself has no
    use for it.
    """

    id: str
    now: UnixMs
    once: Once | None = None
    debits: tuple[Debit, ...] = ()
    hold_ms: int = 0
    account: AccountId | None = None
    key_id: KeyId | None = None
    critical: bool = False
    loss: Loss = Loss()

    def overpaid(self, costs: tuple[int, ...]) -> "Charge":
        """The same, of what each debit took beyond its cost in `costs`. Less than nothing where it took too little."""
        debits = [
            msgspec.structs.replace(debit, cost=debit.cost - cost)
            for debit, cost in zip(self.debits, costs, strict=True)
        ]
        return msgspec.structs.replace(self, debits=tuple(debits))


class Reading(msgspec.Struct, frozen=True, gc=False):
    """One meter after the question: whole tokens or slots left, the wait until the cost fits, and whether it was short.

    `next_ms` is the time to the next whole token (0 when full, and for slots: nobody knows when an exchange ends).
    `wait_ms` is None if the cost can never fit; for slots it is a guess. `spare` of what remains is for others.
    """

    limit: Limit
    remaining: int
    wait_ms: int | None
    next_ms: int
    short: bool
    cost: int
    vetoes: bool = True
    spare: int = 0

    @property
    def usable(self) -> int:
        """What is left for messages like the one that asked."""
        return max(self.remaining - self.spare, 0)


class Granted(msgspec.Struct, frozen=True, gc=False):
    """Fresh, and every vetoing debit was taken. `now` is the time that the store used."""

    now: UnixMs
    readings: tuple[Reading, ...]


class Short(msgspec.Struct, frozen=True, gc=False):
    """At least one vetoing meter had too little. Nothing was taken from any of them."""

    now: UnixMs
    readings: tuple[Reading, ...]


class Replayed(msgspec.Struct, frozen=True, gc=False):
    """The identity was seen before, at `first_seen_at`. Nothing was taken."""

    now: UnixMs
    first_seen_at: UnixMs


class BeforeEpoch(msgspec.Struct, frozen=True, gc=False):
    """Signed before the store's memory begins (plus the clock lead), so it cannot know whether it is fresh."""

    now: UnixMs
    born_at: UnixMs


class Revoked(msgspec.Struct, frozen=True, gc=False):
    """The key was buried: no charge of it is granted, whatever its record says here. Nothing was taken."""

    now: UnixMs


class Unavailable(msgspec.Struct, frozen=True, gc=False):
    """The store did not answer in time, or answered nonsense. Never admits; `source` is for the log."""

    source: str


Receipt: TypeAlias = Granted | Short | Replayed | BeforeEpoch | Revoked | Unavailable
