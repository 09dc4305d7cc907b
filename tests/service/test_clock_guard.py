"""A clock that others contradict is not judged by, until it is right again."""

from guard.model.names import UnixMs
from guard.service.clock_guard import ClockGuard

NOW = 1_800_000_000_000


class Machine:
    """A node's clock, its machine's wall clock, and what the guard told."""

    def __init__(self) -> None:
        self.drift = 0
        self.now = NOW
        self.told: list[tuple[bool, tuple[str, ...]]] = []
        self.guard = ClockGuard(
            1000, lambda: self.drift, self.catch_up, on_change=lambda sure, why: self.told.append((sure, why))
        )

    def catch_up(self) -> None:
        self.now, self.drift = self.now + self.drift, 0

    def hear(self, clock: str, theirs: int | None, *, took_ms: int = 2) -> None:
        """Another clock is read while this one shows `now`."""
        reading = None if theirs is None else UnixMs(theirs)
        self.guard.heard(clock, UnixMs(self.now - took_ms // 2), reading, UnixMs(self.now + took_ms // 2))


def test_clock_that_agrees_is_sure_and_its_offset_is_known() -> None:
    machine = Machine()
    machine.hear("database", NOW - 70)
    assert (machine.guard.is_sure(), machine.guard.disagreements(), machine.guard.offset_ms("database")) == (
        True,
        (),
        70,
    )
    assert machine.guard.offset_ms("store") is None
    assert machine.told == []


def test_clock_that_the_only_shared_one_contradicts_is_not_sure_and_says_by_how_much() -> None:
    machine = Machine()
    machine.hear("database", NOW + 3000)
    assert not machine.guard.is_sure()
    assert machine.told == [(False, ("clock: 3000 ms behind the database's, more than 1000",))]


def test_clock_is_sure_again_when_the_others_agree_again() -> None:
    machine = Machine()
    machine.hear("database", NOW - 3000)
    machine.hear("database", NOW)
    assert machine.guard.is_sure()
    assert [sure for sure, _ in machine.told] == [False, True]


def test_answer_that_took_too_long_to_tell_anything_changes_nothing() -> None:
    machine = Machine()
    machine.hear("database", NOW - 3000)
    machine.hear("database", NOW, took_ms=4000)
    assert not machine.guard.is_sure()
    machine.hear("database", NOW)
    machine.hear("database", NOW - 900, took_ms=2000)
    assert machine.guard.is_sure()


def test_one_of_two_shared_clocks_that_disagrees_is_told_and_outvoted() -> None:
    machine = Machine()
    machine.hear("store", NOW)
    machine.hear("database", NOW - 3000)
    assert machine.guard.is_sure()
    assert machine.guard.disagreements() == ("clock: 3000 ms ahead of the database's, more than 1000",)
    machine.hear("store", NOW - 2900)
    assert not machine.guard.is_sure()


def test_wall_clock_that_was_set_is_believed_no_more_than_a_shared_one() -> None:
    machine = Machine()
    machine.hear("database", NOW)
    machine.drift = 7000
    machine.hear("database", NOW)
    assert machine.guard.is_sure()
    assert machine.now == NOW


def test_wall_clock_that_was_set_right_is_followed_forward_at_once() -> None:
    machine = Machine()
    machine.hear("database", NOW + 7000)
    assert not machine.guard.is_sure()
    machine.drift = 7000
    machine.hear("database", NOW + 7000)
    machine.hear("database", NOW + 7000)
    assert (machine.now, machine.guard.is_sure()) == (NOW + 7000, True)


def test_clock_that_is_ahead_is_never_set_back() -> None:
    machine = Machine()
    machine.hear("database", NOW - 7000)
    machine.drift = -7000
    for _ in range(100):
        machine.hear("database", NOW - 7000)
    assert (machine.now, machine.guard.is_sure()) == (NOW, False)


def test_wall_clock_that_was_set_forward_is_followed_once_it_kept_still_where_no_other_can_be_asked() -> None:
    machine = Machine()
    machine.hear("database", None)
    machine.drift = 7000
    machine.hear("database", None)
    assert not machine.guard.is_sure()
    assert machine.told == [(False, ("clock: this machine's was set forward by 7000 ms",))]
    for _ in range(38):
        machine.hear("database", None)
    machine.drift = 9500
    for _ in range(40):
        machine.hear("database", None)
    assert (machine.now, machine.guard.is_sure()) == (NOW, False)
    machine.hear("database", None)
    assert (machine.now, machine.guard.is_sure()) == (NOW + 9500, True)


def test_wall_clock_that_was_set_back_makes_unsure_until_it_is_right_again() -> None:
    machine = Machine()
    machine.drift = -7000
    machine.hear("database", None)
    assert machine.guard.disagreements() == ("clock: this machine's was set back by 7000 ms",)
    machine.drift = 0
    machine.hear("database", None)
    assert machine.guard.is_sure()
