import asyncio
from collections.abc import Mapping

import pytest

from guard.model.halts import NO_HALTS, Halt, HaltId, HaltKind
from guard.model.keys import KeyAlgorithm, KeyRecord, KeyState, Secret
from guard.model.names import AccountId, KeyId, UnixMs
from guard.model.questions import Unavailable
from guard.state.directory import POLLS_MAX, STALE_AFTER_MS, FollowingDirectory, Poll
from guard.state.faults import StateError
from tests.build import halt

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
        self.halts: dict[HaltId, Halt] = {}
        self.asked_since: list[int] = []
        self.ahead_ms: int | None = None
        self.written: list[dict[KeyId, UnixMs]] = []

    def put(self, key_id: KeyId, state: KeyState = KeyState.ACTIVE) -> None:
        self.revision += 1
        self.records[key_id] = record(key_id, self.revision, state)

    async def poll(self, revision: int) -> Poll:
        self.asked_since.append(revision)
        asked_at = self.now
        self.now = UnixMs(self.now + self.ms_a_poll)
        if self.broken:
            raise StateError("out of order")
        return self.answer(revision, asked_at)

    def answer(self, revision: int, at: UnixMs) -> Poll:
        changed = tuple(each for each in self.records.values() if each.revision > revision)
        clock_ms = None if self.ahead_ms is None else UnixMs(at + self.ahead_ms)
        halts = tuple(each for each in self.halts.values() if each.revision > revision)
        return Poll(revision=self.revision, changed=changed, halts=halts, clock_ms=clock_ms)

    async def write_last_used(self, batch: Mapping[KeyId, UnixMs]) -> None:
        if self.broken:
            raise StateError("out of order")
        self.written.append(dict(batch))


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def directory(source: Source) -> FollowingDirectory:
    return FollowingDirectory(source, lambda: source.now)


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


async def test_what_changed_is_asked_for_since_the_last_known_revision(
    source: Source, directory: FollowingDirectory
) -> None:
    source.put(K1)
    for _ in range(3):
        await directory.refresh()
    source.put(K2)
    await directory.refresh()
    assert source.asked_since == [0, 1, 1, 1]


async def test_view_is_trusted_to_the_millisecond_it_goes_stale(source: Source, directory: FollowingDirectory) -> None:
    source.put(K1)
    await directory.refresh()
    assert isinstance(directory.find(K1, later(900)), KeyRecord)
    assert not directory.is_older_than(STALE_AFTER_MS, later(900))
    assert directory.find(K1, later(901)) == Unavailable("keys")
    assert directory.is_older_than(STALE_AFTER_MS, later(901))


async def test_view_is_as_old_as_the_moment_before_its_poll(source: Source, directory: FollowingDirectory) -> None:
    source.ms_a_poll = 700
    await directory.refresh()
    assert directory.find(K1, later(901)) == Unavailable("keys")


async def test_failed_refresh_makes_the_view_no_younger(source: Source, directory: FollowingDirectory) -> None:
    await directory.refresh()
    source.broken, source.now = True, later(700)
    with pytest.raises(StateError, match="out of order"):
        await directory.refresh()
    assert directory.find(K1, later(901)) == Unavailable("keys")


async def test_lower_revision_is_never_followed(source: Source, directory: FollowingDirectory) -> None:
    source.put(K1)
    source.put(K1, KeyState.DEACTIVATED)
    await directory.refresh()
    source.revision, source.now = 1, later(700)
    source.records[K1] = record(K1, 1)
    with pytest.raises(StateError, match="went back from revision 2 to 1"):
        await directory.refresh()
    found = directory.find(K1, later(700))
    assert isinstance(found, KeyRecord)
    assert found.state is KeyState.DEACTIVATED
    assert directory.find(K1, later(901)) == Unavailable("keys")


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


class Slow(Source):
    """Reads at once, as a database does, and answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[asyncio.Future[None]] = []

    async def poll(self, revision: int) -> Poll:
        self.asked_since.append(revision)
        read = self.answer(revision, self.now)
        self.answers.append(asyncio.get_running_loop().create_future())
        await self.answers[-1]
        return read


async def asked(source: Slow, times: int) -> None:
    while len(source.answers) < times:  # noqa: ASYNC110  # the task has no event to wait for
        await asyncio.sleep(0)


async def test_answer_that_does_not_come_holds_up_no_other_poll() -> None:
    source = Slow()
    source.put(K1)
    directory = FollowingDirectory(source, lambda: source.now)
    following = asyncio.create_task(directory.follow(interval_ms=1))
    await asked(source, 2)
    source.answers[1].set_result(None)
    while directory.revision != 1:  # noqa: ASYNC110  # the same
        await asyncio.sleep(0)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert source.answers[0].cancelled()


async def test_polls_without_an_answer_do_not_pile_up() -> None:
    source = Slow()
    directory = FollowingDirectory(source, lambda: source.now)
    following = asyncio.create_task(directory.follow(interval_ms=1))
    await asked(source, POLLS_MAX)
    for _ in range(20):
        await asyncio.sleep(0.001)
    assert len(source.answers) == POLLS_MAX
    source.answers[0].set_result(None)
    await asked(source, POLLS_MAX + 1)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_late_answer_brings_no_older_record_back_and_makes_the_view_no_older() -> None:
    source = Slow()
    source.put(K1)
    directory = FollowingDirectory(source, lambda: source.now)
    late = asyncio.create_task(directory.refresh())
    await asked(source, 1)
    source.put(K1, KeyState.DEACTIVATED)
    source.now = later(100)
    quick = asyncio.create_task(directory.refresh())
    await asked(source, 2)
    for answer, poll in ((source.answers[1], quick), (source.answers[0], late)):
        answer.set_result(None)
        await poll
    found = directory.find(K1, later(1000))
    assert isinstance(found, KeyRecord)
    assert (found.state, directory.revision) == (KeyState.DEACTIVATED, 2)


async def test_revision_is_acknowledged_when_it_moved_and_after_those_who_cut_off_have_heard(source: Source) -> None:
    told: list[object] = []

    async def acknowledge(revision: int) -> None:
        told.append(revision)

    directory = FollowingDirectory(source, lambda: source.now, acknowledge=acknowledge)
    directory.on_change = lambda changed: told.append([record.id for record in changed])
    source.put(K1)
    for _ in range(3):
        await directory.refresh()
        await directory.beat()
    assert told == [[K1], 1]


async def test_node_that_sees_no_change_says_each_second_that_it_lives(source: Source) -> None:
    told: list[int] = []

    async def acknowledge(_: int) -> None:
        told.append(source.now - START)

    directory = FollowingDirectory(source, lambda: source.now, acknowledge=acknowledge)
    for ms in (0, 500, 999, 1000, 1500, 2000):
        source.now = later(ms)
        await directory.beat()
    assert told == [0, 1000, 2000]


async def test_acknowledgement_that_failed_is_made_with_the_next_poll(source: Source) -> None:
    told: list[int] = []

    async def acknowledge(revision: int) -> None:
        told.append(revision)
        if len(told) == 1:
            raise StateError("out of order")

    directory = FollowingDirectory(source, lambda: source.now, acknowledge=acknowledge)
    with pytest.raises(StateError):
        await directory.beat()
    await directory.beat()
    await directory.beat()
    assert told == [0, 0]


async def test_view_is_served_as_long_as_it_is_leased(source: Source) -> None:
    source.put(K1)
    directory = FollowingDirectory(source, lambda: source.now, lease_ms=30_000)
    await directory.refresh()
    assert isinstance(directory.find(K1, later(30_000)), KeyRecord)
    assert directory.find(K2, later(30_000)) is None
    assert directory.find(K1, later(30_001)) == Unavailable("keys")


async def test_clock_of_the_database_is_told_with_the_time_before_and_after(source: Source) -> None:
    heard: list[tuple[int, int | None, int]] = []
    directory = FollowingDirectory(
        source, lambda: source.now, on_answer=lambda before, theirs, after: heard.append((before, theirs, after))
    )
    await directory.refresh()
    source.ahead_ms, source.ms_a_poll = 70, 20
    await directory.refresh()
    assert heard == [(START, None, START), (START, later(70), later(20))]


async def test_delay_of_a_change_counts_from_the_last_poll_that_had_not_seen_it(source: Source) -> None:
    heard: list[int] = []
    directory = FollowingDirectory(source, lambda: source.now, on_delay=heard.append)
    source.put(K1)
    for ms in (0, 250):
        source.now = later(ms)
        await directory.refresh()
    source.put(K1, KeyState.DEACTIVATED)
    source.now, source.ms_a_poll = later(500), 30
    await directory.refresh()
    assert heard == [280]


def put_halt(source: Source, name: str, lifted_at: UnixMs | None = None) -> None:
    source.revision += 1
    put = halt(HaltKind.ACCOUNT, "acme", id=HaltId(name), revision=source.revision, lifted_at=lifted_at)
    source.halts[put.id] = put


async def test_halts_are_followed_with_the_keys_and_end_when_they_are_lifted(
    source: Source, directory: FollowingDirectory
) -> None:
    assert directory.halts is NO_HALTS
    put_halt(source, "h1")
    await directory.refresh()
    assert [each.id for each in directory.halts.over_holder(K1, AccountId("acme"))] == ["h1"]
    put_halt(source, "h1", lifted_at=START)
    await directory.refresh()
    assert directory.halts is NO_HALTS


async def test_late_answer_brings_no_lifted_halt_back() -> None:
    source = Slow()
    put_halt(source, "h1")
    directory = FollowingDirectory(source, lambda: source.now)
    late = asyncio.create_task(directory.refresh())
    await asked(source, 1)
    put_halt(source, "h1", lifted_at=START)
    quick = asyncio.create_task(directory.refresh())
    await asked(source, 2)
    for answer, poll in ((source.answers[1], quick), (source.answers[0], late)):
        answer.set_result(None)
        await poll
    assert directory.halts is NO_HALTS


async def test_who_waits_for_halts_hears_of_each_once(source: Source, directory: FollowingDirectory) -> None:
    told: list[list[str]] = []
    directory.on_halt = lambda changed: told.append([each.id for each in changed])
    put_halt(source, "h1")
    for _ in range(2):
        await directory.refresh()
    put_halt(source, "h1", lifted_at=START)
    await directory.refresh()
    assert told == [["h1"], ["h1"]]


async def test_the_keys_of_an_account_are_known(source: Source, directory: FollowingDirectory) -> None:
    source.put(K1)
    source.put(K2)
    await directory.refresh()
    assert set(directory.keys_of(AccountId("acme"))) == {K1, K2}
    assert directory.keys_of(AccountId("other")) == ()
