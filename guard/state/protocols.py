"""The questions that state answers, as Protocols. Every store passes the same suite in `tests/contract/`."""

from asyncio import Future
from typing import Protocol

from guard.model.abuse import Raised, Sighting, SubjectKind
from guard.model.halts import Halts
from guard.model.keys import KeyRecord
from guard.model.names import AccountId, KeyId, UnixMs
from guard.model.questions import Charge, Receipt, Unavailable


class LimitStore(Protocol):
    """Nonces and meters, asked and spent in one step.

    `charge` is atomic: fresh and every vetoing meter has room, or nothing is taken. Asking again with the same charge
    id returns the same receipt and takes nothing. It never raises for a store that cannot answer: it is `Unavailable`.
    `refund` gives the tokens of a granted charge back, at most once; the message stays remembered. Tokens of a calendar
    period that has ended are gone. `settle` is a refund of a part: each debit has cost what stands in its place in
    `costs`. What was taken beyond that is given back; what was taken too little is taken too, even if it is not there:
    the meter owes it then. `release` ends the leases that the charge's id holds, and so do the other two; all may be
    said again, and none touches what others hold. A lease that nobody ends is over `hold_ms` after it was taken.

    `ask` is the same question without waiting: its answer where it is known at once, else what to await for it. A store
    that must ask others may answer at once that an address is Short, if it is sure to be.
    """

    @property
    def born_at(self) -> UnixMs | None:
        """When this store's memory begins: what was signed before cannot be known to be fresh. None: not known yet."""
        ...

    def ask(self, charge: Charge) -> "Receipt | Future[Receipt]":
        """Ask and spend."""
        ...

    async def charge(self, charge: Charge) -> Receipt:
        """Ask, spend and wait for the answer."""
        ...

    async def bury(self, account: AccountId, key_id: KeyId, until: UnixMs) -> bool:
        """From now until then, every charge of this key of this account is Revoked. False: the store did not answer."""
        ...

    async def repay(self, charge: Charge) -> Receipt:
        """Take what was spent while this store could not be asked: of each debit as much as there is, never refusing.

        The message is remembered. A charge that the store knows by its id takes nothing. Granted, or Unavailable.
        """
        ...

    async def refund(self, charge: Charge) -> None:
        """Give the tokens back, and the slots."""
        ...

    async def settle(self, charge: Charge, costs: tuple[int, ...]) -> None:
        """It has cost otherwise: give back the difference, or take it; and give the slots back."""
        ...

    async def release(self, charge: Charge) -> None:
        """The exchange is over: give its slots back."""
        ...


class KeyDirectory(Protocol):
    """Every key record that this process needs, in memory, at the database's revision. Finding waits for nothing."""

    @property
    def halts(self) -> Halts:
        """What is halted, at the same revision. Of a view too old to be trusted: as it was last known."""
        ...

    def find(self, key_id: KeyId, now: UnixMs) -> KeyRecord | Unavailable | None:
        """The record; None if nobody holds that key; Unavailable if the view is too old to be trusted."""
        ...

    def touch(self, key_id: KeyId, now: UnixMs) -> None:
        """Remember that the key was used. Written to the database later, in batches."""
        ...


class StoreMeter(Protocol):
    """Who counts what stores do (`telemetry.meter`). A call is a dictionary's entry or two: never a wait or an error.

    Every text becomes a label of a metric, so it must be one of a few that the code names: no key, account or address.
    """

    def store_op(self, op: str, outcome: str, us: int) -> None:
        """A question to a shared store ended after `us`, from enqueueing to its answer or to giving up."""
        ...

    def store_up(self, store: str, up: bool) -> None:  # noqa: FBT001  # it is what the metric says
        """Whether a store answers now; to be told at start and at each change."""
        ...

    def store_fallback(self, function: str) -> None:
        """Policy answered in place of a store that did not, for this function of it."""
        ...

    def revocation_delay(self, ms: int) -> None:
        """So long after its change in the database a key's new state came into force here."""
        ...

    def clock_skew(self, against: str, ms: int) -> None:
        """How far this node's clock is ahead of another's: of `redis` or of `database`."""
        ...


class Tombstones(Protocol):
    """Keys that a shared store refuses, whatever a node believes of them: the fast road of a revocation."""

    async def bury(self, account: AccountId, key_id: KeyId, until: UnixMs) -> bool:
        """Refuse every charge of this key until then. False if the store did not answer: the revision comes anyway."""
        ...


class ScoreStore(Protocol):
    """Who does what how often, and what it comes to. Nothing that is asked here decides on a message."""

    async def score(self, sightings: tuple[Sighting, ...], now: UnixMs) -> tuple[Raised, ...]:
        """Count each once at most; of those with which a signal fires, the score that follows.

        What a shared store does not answer is counted by this process alone, as a score of its own. Where there is no
        room for a subject of its own, it is counted with its neighbours: as a wider name of its sighting. Never not at
        all.
        """
        ...

    async def forget(self, kind: SubjectKind, name: str, before: UnixMs) -> bool:
        """Its scores and counts that began until then begin anew: somebody has lifted what came of them.

        May be said again, by each node. False: the store did not answer, and is to be told again.
        """
        ...
