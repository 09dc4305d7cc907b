"""Watches this node's clock beside the others that it hears of, and says whether it can be trusted.

Which answer follows from which readings is `core/clocks.py`. A clock that a machine's administrator or NTP has set
forward is followed once the shared clocks say that it is right now, or, where there are none, once it has kept still
for ten seconds; a clock that is ahead is never set back while the process runs, since what was forgotten would be new.
"""

from collections.abc import Callable
from typing import Final

from guard.core.clocks import Ahead, agrees, ahead, is_sure
from guard.model.names import UnixMs

_STILL_LOOKS: Final = 40
"""Looks, of which there are four a second, after which a clock that was set counts as kept still."""


class ClockGuard:
    """`drift_ms` is how far the machine's wall clock is ahead of this process's; `catch_up` sets that forward to it.

    `on_change` hears when the answer changes, with what disagrees.
    """

    def __init__(
        self,
        allowed_ms: int,
        drift_ms: Callable[[], int],
        catch_up: Callable[[], object],
        *,
        on_change: Callable[[bool, tuple[str, ...]], object] = lambda _sure, _why: None,
    ) -> None:
        self._sure = True
        self._allowed_ms = allowed_ms
        self._drift_ms = drift_ms
        self._catch_up = catch_up
        self._on_change = on_change
        self._verdicts: dict[str, bool] = {}
        self._readings: dict[str, Ahead] = {}
        self._still_at_ms = 0
        self._still_looks = 0

    def is_sure(self) -> bool:
        """Whether signed requests may be judged by this clock."""
        return self._sure

    def heard(self, clock: str, before: UnixMs, theirs: UnixMs | None, after: UnixMs) -> None:
        """A shared clock was read; None says that there is no such clock, and that it is time to look at our own."""
        if theirs is not None:
            reading = ahead(before, theirs, after)
            verdict = agrees(reading, self._allowed_ms)
            self._readings[clock] = reading
            if verdict is not None:
                self._verdicts[clock] = verdict
        self._look()

    def offset_ms(self, clock: str) -> int | None:
        """How far we are ahead of a shared clock, about; None if it was never read."""
        reading = self._readings.get(clock)
        return None if reading is None else reading.about_ms

    def disagreements(self) -> tuple[str, ...]:
        """Each clock that disagrees, and by how much, as a sentence."""
        told = [
            f"clock: {abs(self._readings[clock].about_ms)} ms {_word(self._readings[clock].about_ms)} the {clock}'s, "
            f"more than {self._allowed_ms}"
            for clock, verdict in self._verdicts.items()
            if not verdict
        ]
        if not told and not self._sure:
            drift_ms = self._drift_ms()
            told.append(f"clock: this machine's was set {'forward' if drift_ms > 0 else 'back'} by {abs(drift_ms)} ms")
        return tuple(told)

    def _look(self) -> None:
        drift_ms = self._drift_ms()
        if self._should_catch_up(drift_ms):
            self._catch_up()
            self._verdicts.clear()
            self._readings.clear()
            drift_ms = self._drift_ms()
        sure = is_sure(self._verdicts.values(), abs(drift_ms) <= self._allowed_ms)
        if sure != self._sure:
            self._sure = sure
            self._on_change(sure, self.disagreements())

    def _should_catch_up(self, drift_ms: int) -> bool:
        if drift_ms <= self._allowed_ms:
            self._still_looks = 0
            return False
        if self._verdicts:
            return not any(self._verdicts.values()) and all(
                abs(reading.about_ms + drift_ms) <= self._allowed_ms for reading in self._readings.values()
            )
        moved = abs(drift_ms - self._still_at_ms) > self._allowed_ms
        self._still_at_ms, self._still_looks = drift_ms, 0 if moved else self._still_looks + 1
        return self._still_looks >= _STILL_LOOKS


def _word(ahead_ms: int) -> str:
    return "ahead of" if ahead_ms > 0 else "behind"
