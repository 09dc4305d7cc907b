"""Every key record in memory, following the database's revision: finding one waits for nothing.

Why it is right: a view is as old as the moment before the last successful poll was sent, so a slow answer never makes
it look younger. A view that is too old answers `Unavailable`, never a record. A revision lower than one already seen
means that the database was replaced by an older one: it is not followed, so no revocation is undone, and the view ages.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from guard.model.keys import KeyRecord
from guard.model.names import KeyId, UnixMs
from guard.model.questions import Unavailable
from guard.state.faults import StateError
from guard.state.protocols import KeyDirectory

_STALE = Unavailable("keys")


class KeySource(Protocol):
    """The database as a directory sees it. Each method raises StateError if it cannot answer."""

    async def head(self) -> int:
        """The revision of the last change."""
        ...

    async def records_since(self, revision: int) -> tuple[int, tuple[KeyRecord, ...]]:
        """The revision of the last change, and every record that changed after the given one."""
        ...

    async def write_last_used(self, batch: Mapping[KeyId, UnixMs]) -> None:
        """When keys were last used. No change of a key: the revision stays."""
        ...


class FollowingDirectory(KeyDirectory):
    """The records of `source`, as of its last confirmed revision.

    `find` answers Unavailable once the view is older than `stale_after_ms`. `on_error` hears of each failed poll or
    write of `follow`, which goes on. Last uses are written every `flush_ms` and on `close`.
    """

    def __init__(
        self,
        source: KeySource,
        now: Callable[[], UnixMs],
        *,
        stale_after_ms: int = 5000,
        flush_ms: int = 5000,
        on_error: Callable[[StateError], object] = lambda _: None,
    ) -> None:
        self.on_change: Callable[[tuple[KeyRecord, ...]], object] = lambda _: None
        """Hears of the records that a poll found changed."""
        self._source = source
        self._now = now
        self._stale_after_ms = stale_after_ms
        self._flush_ms = flush_ms
        self._on_error = on_error
        self._records: dict[KeyId, KeyRecord] = {}
        self._revision = 0
        self._confirmed_at: UnixMs | None = None
        self._used: dict[KeyId, UnixMs] = {}
        self._flushed_at = now()

    @property
    def revision(self) -> int:
        """The revision that the view is at."""
        return self._revision

    def find(self, key_id: KeyId, now: UnixMs) -> KeyRecord | Unavailable | None:
        """See `KeyDirectory.find`."""
        if self.is_stale(now):  # knockout: view_is_young
            return _STALE
        return self._records.get(key_id)

    def is_stale(self, now: UnixMs) -> bool:
        """Whether the view was confirmed too long ago to be trusted, or never."""
        return self._confirmed_at is None or now - self._confirmed_at > self._stale_after_ms

    def touch(self, key_id: KeyId, now: UnixMs) -> None:
        """See `KeyDirectory.touch`."""
        self._used[key_id] = now

    async def refresh(self) -> None:
        """Come up to the database's revision. Raises StateError, and leaves the view as old as it was."""
        asked_at = self._now()
        head = await self._source.head()
        if head < self._revision:  # knockout: revision_never_goes_back
            raise StateError(
                f"the key database went back from revision {self._revision} to {head}: was an old copy put in "
                "its place? restart guard if that was meant"
            )
        if head > self._revision:
            self._revision, changed = await self._source.records_since(self._revision)
            self._records.update({record.id: record for record in changed})
            self.on_change(changed)
        self._confirmed_at = asked_at

    async def follow(self, interval_ms: int = 250) -> None:
        """Refresh every `interval_ms`, and write last uses now and then, until cancelled."""
        while True:
            await asyncio.sleep(interval_ms / 1000)
            try:
                await self.refresh()
                if self._now() - self._flushed_at >= self._flush_ms:
                    await self.flush()
            except StateError as error:
                self._on_error(error)

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
