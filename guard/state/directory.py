"""Every key record and halt in memory, following the database's revision: finding one waits for nothing.

Why it is right: a view is as old as the moment before the last successful poll was sent, so a slow answer never makes
it look younger. A view that is too old answers `Unavailable`, never a record. Polls overlap: one is sent every 250 ms,
or 125 ms while answers are slow, whether or not the ones before it were answered; so a database that takes 500 ms is
followed within 750 ms, and an answer that never comes holds up no other, nor does any other errand. Each poll asks for
what changed after the revision that was known when it was sent, and is one statement, so its answer completes the view
up to the revision that it names, in whatever order answers come: a record or halt never replaces a newer one, and the
view never loses what it had. A revision lower than one that was known when the poll was sent means that the database
was replaced by an older one: it is not followed, so no revocation is undone, and the view ages.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

import msgspec

from guard.model.bans import Ban
from guard.model.halts import NO_HALTS, Halt, HaltId, Halts, halts_of
from guard.model.keys import KeyRecord
from guard.model.names import AccountId, KeyId, UnixMs
from guard.model.overrides import Override
from guard.model.questions import Unavailable
from guard.state.faults import StateError
from guard.state.protocols import KeyDirectory

STALE_AFTER_MS: Final = 900
"""How old a view may be: with what a key change takes to reach the database's disk, less than a second."""

POLLS_MAX: Final = 5
"""Polls under way at once: what is sent each 125 ms to a database that takes 500."""

_STALE = Unavailable("keys")


class Poll(msgspec.Struct, frozen=True, kw_only=True):
    """The revision of the last change, every record, halt, ban and override that changed after the one asked about, and
    the database's clock, None if it is this machine's.
    """

    revision: int
    changed: tuple[KeyRecord, ...]
    halts: tuple[Halt, ...]
    clock_ms: UnixMs | None
    bans: tuple[Ban, ...] = ()
    overrides: tuple[Override, ...] = ()


class KeySource(Protocol):
    """The database as a directory sees it. Each method raises StateError if it cannot answer in time."""

    async def poll(self, revision: int) -> Poll:
        """What changed after this revision."""
        ...

    async def write_last_used(self, batch: Mapping[KeyId, UnixMs]) -> None:
        """When keys were last used. No change of a key: the revision stays."""
        ...


async def _nobody(_: int) -> None:
    pass


class FollowingDirectory(KeyDirectory):
    """The records and halts of `source`, as of its last confirmed revision.

    `find` answers Unavailable once the view is older than `lease_ms`. `acknowledge` is told the revision when it moved,
    after `on_change` and `on_halt` have returned, and every `beat_ms`. `on_answer` hears of each answer: the database's
    clock (None if it is this machine's), and this one's time before and after. `on_delay` hears how long, at most, a
    change stood in the database before it was in force here. `on_error` hears of each failed poll or write of `follow`,
    which goes on. Last uses are written every `flush_ms` and on `close`.
    """

    def __init__(
        self,
        source: KeySource,
        now: Callable[[], UnixMs],
        *,
        lease_ms: int = STALE_AFTER_MS,
        beat_ms: int = 1000,
        flush_ms: int = 5000,
        acknowledge: Callable[[int], Awaitable[None]] = _nobody,
        on_answer: Callable[[UnixMs, UnixMs | None, UnixMs], object] = lambda _before, _theirs, _after: None,
        on_delay: Callable[[int], object] = lambda _: None,
        on_error: Callable[[StateError], object] = lambda _: None,
    ) -> None:
        self.on_change: Callable[[tuple[KeyRecord, ...]], object] = lambda _: None
        """Hears of the records that a poll found changed."""
        self.on_halt: Callable[[tuple[Halt, ...]], object] = lambda _: None
        """Hears of what a poll found halted, and of what it found lifted."""
        self.on_bans: Callable[[tuple[Ban, ...]], object] = lambda _: None
        self.on_overrides: Callable[[tuple[Override, ...]], object] = lambda _: None
        """These hear of the bans and overrides that a poll found changed, which may come again: see `ban_board.py`."""
        self._source = source
        self._now = now
        self._lease_ms = lease_ms
        self._beat_ms = beat_ms
        self._flush_ms = flush_ms
        self._acknowledge = acknowledge
        self._on_answer = on_answer
        self._on_delay = on_delay
        self._on_error = on_error
        self._records: dict[KeyId, KeyRecord] = {}
        self._known_halts: dict[HaltId, Halt] = {}
        self._halts = NO_HALTS
        self._revision = 0
        self._confirmed_at: UnixMs | None = None
        self._beat_at: UnixMs | None = None
        self._beat_revision = -1
        self._used: dict[KeyId, UnixMs] = {}
        self._flushed_at = now()
        self._took_ms = self._polls = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def revision(self) -> int:
        """The revision that the view is at."""
        return self._revision

    @property
    def lease_ms(self) -> int:
        """How old the view may be at most."""
        return self._lease_ms

    @property
    def halts(self) -> Halts:
        """See `KeyDirectory.halts`."""
        return self._halts

    def keys_of(self, account: AccountId) -> tuple[KeyId, ...]:
        """The ids of all keys of an account."""
        return tuple(record.id for record in self._records.values() if record.account == account)

    def lineage_of(self, first: KeyId) -> tuple[KeyId, ...]:
        """The ids of a key and of all that took its place."""
        return tuple(record.id for record in self._records.values() if record.lineage == first)

    def find(self, key_id: KeyId, now: UnixMs) -> KeyRecord | Unavailable | None:
        """See `KeyDirectory.find`."""
        if self.is_older_than(self._lease_ms, now):  # knockout: view_is_young
            return _STALE
        return self._records.get(key_id)

    def is_older_than(self, age_ms: int, now: UnixMs) -> bool:
        """Whether the view was confirmed longer ago, or never."""
        return self._confirmed_at is None or now - self._confirmed_at > age_ms

    def touch(self, key_id: KeyId, now: UnixMs) -> None:
        """See `KeyDirectory.touch`."""
        self._used[key_id] = now

    async def refresh(self) -> None:
        """Come up to the database's revision. Raises StateError, and leaves the view as old as it was."""
        known, asked_at = self._revision, self._now()
        poll = await self._source.poll(known)
        answered_at = self._now()
        self._took_ms = answered_at - asked_at
        self._on_answer(asked_at, poll.clock_ms, answered_at)
        if poll.revision < known:  # knockout: revision_never_goes_back
            raise StateError(
                f"the key database went back from revision {known} to {poll.revision}: was an old copy put in "
                "its place? restart guard if that was meant"
            )
        moved = self._take(poll.changed)
        if poll.bans:
            self.on_bans(poll.bans)
        if poll.overrides:
            self.on_overrides(poll.overrides)
        if (self._take_halts(poll.halts) or moved) and self._confirmed_at is not None:
            self._on_delay(self._now() - self._confirmed_at)
        self._revision = max(self._revision, poll.revision)
        self._confirmed_at = asked_at if self._confirmed_at is None else max(self._confirmed_at, asked_at)

    def _take(self, changed: tuple[KeyRecord, ...]) -> bool:
        newer = []
        for record in changed:
            known = self._records.get(record.id)
            if known is not None and known.revision >= record.revision:  # knockout: newer_record_stays
                continue
            self._records[record.id] = record
            newer.append(record)
        if newer:
            self.on_change(tuple(newer))
        return bool(newer)

    def _take_halts(self, changed: tuple[Halt, ...]) -> bool:
        newer = []
        for halt in changed:
            known = self._known_halts.get(halt.id)
            if known is not None and known.revision >= halt.revision:  # knockout: newer_halt_stays
                continue
            self._known_halts[halt.id] = halt
            newer.append(halt)
        if newer:
            self._halts = halts_of(self._known_halts.values())
            self.on_halt(tuple(newer))
        return bool(newer)

    async def follow(self, interval_ms: int = 250) -> None:
        """Poll every `interval_ms`, twice as often while answers are slow; acknowledge; write last uses now and then.
        Until cancelled.
        """
        try:
            while True:
                slow = 2 * self._took_ms > interval_ms
                await asyncio.sleep(interval_ms / (2000 if slow else 1000))
                if self._polls < POLLS_MAX:  # knockout: polls_max
                    self._polls += 1
                    self._start(self._poll)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, errand: Callable[[], Awaitable[None]]) -> None:
        """Each in a task of its own, so that none waits for another."""
        task = asyncio.create_task(self._done(errand), name="the key database")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _done(self, errand: Callable[[], Awaitable[None]]) -> None:
        try:
            await errand()
        except StateError as error:
            self._on_error(error)

    async def _poll(self) -> None:
        try:
            await self.refresh()
        finally:
            self._polls -= 1
        self._start(self.beat)
        if self._now() - self._flushed_at >= self._flush_ms:
            self._start(self.flush)

    async def beat(self) -> None:
        """Acknowledge the revision, if it moved or if it is time. Raises StateError, and is due again at once."""
        now, moved = self._now(), self._revision != self._beat_revision
        if self._beat_at is not None and not moved and now - self._beat_at < self._beat_ms:
            return
        before = (self._beat_at, self._beat_revision)
        self._beat_at, self._beat_revision = now, self._revision
        try:
            await self._acknowledge(self._revision)
        except StateError:
            self._beat_at, self._beat_revision = before
            raise

    async def flush(self) -> None:
        """Write the last uses. Raises StateError, and keeps what was not written."""
        self._flushed_at = self._now()
        batch = dict(self._used)
        if not batch:
            return
        await self._source.write_last_used(batch)
        self._used = {key_id: used_at for key_id, used_at in self._used.items() if used_at != batch.get(key_id)}

    async def close(self) -> None:
        """Write what is still to be written; a fault is reported, not raised."""
        try:
            await self.flush()
        except StateError as error:
            self._on_error(error)
