"""Wall time that never goes backwards, and follows a stepped clock slowly."""

from guard.app.clock import AnchoredClock

_MS = 1_000_000
_SECOND = 1000 * _MS


class Machine:
    """A wall clock and a monotonic one, both in nanoseconds."""

    def __init__(self) -> None:
        self.wall = 1_900_000_000_000 * _MS
        self.monotonic = 5 * _SECOND

    def passes(self, ns: int) -> None:
        self.wall += ns
        self.monotonic += ns


def _clock() -> tuple[Machine, AnchoredClock]:
    machine = Machine()
    return machine, AnchoredClock(lambda: machine.wall, lambda: machine.monotonic)


def test_the_clock_tells_unix_milliseconds() -> None:
    machine, clock = _clock()
    assert clock.now() == 1_900_000_000_000
    machine.passes(1500 * _MS)
    assert clock.now() == 1_900_000_001_500


def test_a_step_of_the_wall_clock_moves_this_one_by_a_millisecond_a_second() -> None:
    for step, moved in ((-60, -1), (60, 1)):
        machine, clock = _clock()
        machine.wall += step * _SECOND
        assert clock.now() == 1_900_000_000_000
        machine.passes(_SECOND)
        assert clock.now() == 1_900_000_001_000 + moved
        machine.passes(_SECOND)
        assert clock.now() == 1_900_000_002_000 + 2 * moved


def test_the_clock_never_goes_backwards() -> None:
    machine, clock = _clock()
    before = clock.now()
    for _ in range(200):
        machine.wall -= 30 * _SECOND
        machine.monotonic += 50 * _MS
        now = clock.now()
        assert now >= before
        before = now


def test_the_clock_jumps_forward_to_the_wall_clock_when_told_to_and_never_back() -> None:
    machine, clock = _clock()
    machine.wall += 5 * _SECOND
    clock.catch_up()
    assert (clock.now(), clock.drift_ms()) == (1_900_000_005_000, 0)
    machine.wall -= 5 * _SECOND
    clock.catch_up()
    assert clock.now() == 1_900_000_005_000


def test_the_drift_is_how_far_the_wall_clock_is_ahead() -> None:
    machine, clock = _clock()
    machine.wall += 250 * _MS
    assert clock.drift_ms() == 250
