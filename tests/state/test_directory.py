import asyncio
from collections.abc import Mapping

import pytest

from guard.model.keys import KeyAlgorithm, KeyRecord, KeyState, Secret
from guard.model.names import AccountId, KeyId, UnixMs
from guard.model.questions import Unavailable
from guard.state.directory import FollowingDirectory
from guard.state.faults import StateError

START = UnixMs(1_800_000_000_000)
K1, K2 = KeyId("k1"), KeyId("k2")


def record(key_id: KeyId, revision: int, state: KeyState = KeyState.ACTIVE) -> KeyRecord:
    return KeyRecord(
        id=key_id,
        account=AccountId("acme"),
        algorithm=KeyAlgorithm.HMAC_SHA256,
        material=Secret(b"s"),
        state=state,
        lineage=key_id,
        created_at=START,
        revision=revision,
    )


class Source:
    """A database that does as it is told. `ms_a_poll` is how much time passes while a poll is answered."""

    def __init__(self) -> None:
        self.now = START
        self.ms_a_poll = 0
        self.broken = False
        self.revision = 0
        self.records: dict[KeyId, KeyRecord] = {}
        self.read_since: list[int] = []
        self.written: list[dict[KeyId, UnixMs]] = []
        self.polls = 0

    def put(self, key_id: KeyId, state: KeyState = KeyState.ACTIVE) -> None:
        self.revision += 1
        self.records[key_id] = record(key_id, self.revision, state)

    async def head(self) -> int:
        self.polls += 1
        self.now = UnixMs(self.now + self.ms_a_poll)
        if self.broken:
            raise StateError("out of order")
        return self.revision

    async def records_since(self, revision: int) -> tuple[int, tuple[KeyRecord, ...]]:
        self.read_since.append(revision)
        return self.revision, tuple(each for each in self.records.values() if each.revision > revision)

    async def write_last_used(self, batch: Mapping[KeyId, UnixMs]) -> None:
        if self.broken:
            raise StateError("out of order")
        self.written.append(dict(batch))


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def directory(source: Source) -> FollowingDirectory:
    return FollowingDirectory(source, lambda: source.now, stale_after_ms=5000)


def later(ms: int) -> UnixMs:
    return UnixMs(START + ms)


def test_nothing_is_found_before_the_first_refresh(directory: FollowingDirectory) -> None:
    assert directory.find(K1, START) == Unavailable("keys")


async def test_record_is_found_and_an_unknown_key_is_nobodys(source: Source, directory: FollowingDirectory) -> None:
    source.put(K1)
    await directory.refresh()
    found = directory.find(K1, START)
    assert isinstance(found, KeyRecord)
    assert found.id == K1
    assert directory.find(K2, START) is None
    assert directory.revision == 1


async def test_change_shows_after_the_next_refresh(source: Source, directory: FollowingDirectory) -> None:
    source.put(K1)
    source.put(K2)
    await directory.refresh()
    source.put(K1, KeyState.DEACTIVATED)
    await directory.refresh()
    changed, other = directory.find(K1, START), directory.find(K2, START)
    assert isinstance(changed, KeyRecord)
    assert isinstance(other, KeyRecord)
    assert (changed.state, other.state) == (KeyState.DEACTIVATED, KeyState.ACTIVE)


async def test_rows_are_read_only_when_the_revision_moved(source: Source, directory: FollowingDirectory) -> None:
    source.put(K1)
    for _ in range(3):
        await directory.refresh()
    source.put(K2)
    await directory.refresh()
    assert source.read_since == [0, 1]


async def test_view_is_trusted_to_the_millisecond_it_goes_stale(source: Source, directory: FollowingDirectory) -> None:
    source.put(K1)
    await directory.refresh()
    assert isinstance(directory.find(K1, later(5000)), KeyRecord)
    assert not directory.is_stale(later(5000))
    assert directory.find(K1, later(5001)) == Unavailable("keys")
    assert directory.is_stale(later(5001))


async def test_view_is_as_old_as_the_moment_before_its_poll(source: Source, directory: FollowingDirectory) -> None:
    source.ms_a_poll = 4000
    await directory.refresh()
    assert directory.find(K1, later(5001)) == Unavailable("keys")


async def test_failed_refresh_makes_the_view_no_younger(source: Source, directory: FollowingDirectory) -> None:
    await directory.refresh()
    source.broken, source.now = True, later(4000)
    with pytest.raises(StateError, match="out of order"):
        await directory.refresh()
    assert directory.find(K1, later(5001)) == Unavailable("keys")


async def test_lower_revision_is_never_followed(source: Source, directory: FollowingDirectory) -> None:
    source.put(K1)
    source.put(K1, KeyState.DEACTIVATED)
    await directory.refresh()
    source.revision, source.now = 1, later(4000)
    source.records[K1] = record(K1, 1)
    with pytest.raises(StateError, match="went back from revision 2 to 1"):
        await directory.refresh()
    found = directory.find(K1, later(4000))
    assert isinstance(found, KeyRecord)
    assert found.state is KeyState.DEACTIVATED
    assert directory.find(K1, later(5001)) == Unavailable("keys")


async def test_last_uses_are_written_in_one_batch_and_once(source: Source, directory: FollowingDirectory) -> None:
    directory.touch(K1, later(1))
    directory.touch(K2, later(2))
    directory.touch(K1, later(3))
    await directory.flush()
    await directory.flush()
    assert source.written == [{K1: later(3), K2: later(2)}]


async def test_last_uses_that_could_not_be_written_are_written_later(
    source: Source, directory: FollowingDirectory
) -> None:
    directory.touch(K1, later(1))
    source.broken = True
    with pytest.raises(StateError):
        await directory.flush()
    source.broken = False
    directory.touch(K2, later(2))
    await directory.flush()
    assert source.written == [{K1: later(1), K2: later(2)}]


async def test_use_during_a_write_is_not_lost() -> None:
    class Slow(Source):
        async def write_last_used(self, batch: Mapping[KeyId, UnixMs]) -> None:
            slow.touch(K1, later(9))
            await super().write_last_used(batch)

    writes = Slow()
    slow = FollowingDirectory(writes, lambda: START)
    slow.touch(K1, later(1))
    await slow.flush()
    await slow.flush()
    assert writes.written[:2] == [{K1: later(1)}, {K1: later(9)}]


async def test_following_polls_writes_last_uses_and_survives_faults(source: Source) -> None:
    heard: list[str] = []
    directory = FollowingDirectory(
        source, lambda: source.now, flush_ms=5, on_error=lambda error: heard.append(str(error))
    )
    source.ms_a_poll = 1
    source.broken = True
    following = asyncio.create_task(directory.follow(interval_ms=1))
    while not heard:  # noqa: ASYNC110  # the task has no event to wait for
        await asyncio.sleep(0)
    source.broken = False
    source.put(K1)
    directory.touch(K1, later(1))
    while not source.written or directory.revision != 1:  # noqa: ASYNC110  # the same
        await asyncio.sleep(0)
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
    assert set(heard) == {"out of order"}
    assert source.written == [{K1: later(1)}]


async def test_closing_writes_what_is_left(source: Source, directory: FollowingDirectory) -> None:
    directory.touch(K1, later(1))
    await directory.close()
    assert source.written == [{K1: later(1)}]


async def test_closing_reports_a_fault_and_raises_none(source: Source) -> None:
    heard: list[StateError] = []
    directory = FollowingDirectory(source, lambda: START, on_error=heard.append)
    directory.touch(K1, later(1))
    source.broken = True
    await directory.close()
    assert len(heard) == 1


async def test_fault_while_following_is_dropped_if_nobody_listens(source: Source) -> None:
    directory = FollowingDirectory(source, lambda: START)
    directory.touch(K1, later(1))
    source.broken = True
    await directory.close()
    source.broken = False
    await directory.close()
    assert source.written == [{K1: later(1)}]
