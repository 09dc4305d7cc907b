"""What is known of one endpoint's health, from the exchanges that it fails (passive) and from its checks (active).

An endpoint that takes no connection, or fails several exchanges in a row, is set aside for a time that doubles with
each relapse, within a bound, and is never quite the same for two. Its checks, if there are any, have the last word:
while they fail it is unfit however long that takes. Arithmetic on the times that it is given: no clock, no timer.
"""

from collections.abc import Callable

FAILURES_MAX = 3
ASIDE_MS_MIN = 1_000
ASIDE_MS_MAX = 30_000
_RELAPSES_MAX = 5


class Health:
    """Times are monotonic, in milliseconds. `chance` gives a number from 0 to 1, so that no two return together."""

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self.failures = 0
        """How many times it has failed since it last answered."""
        self._relapses = 0
        self._on_trial = False
        self._verdicts = 0
        self.checked = True
        self.aside_until_ms = 0

    def fit(self, now_ms: int) -> bool:
        """Whether it should be asked, if there is a choice."""
        return self.checked and now_ms >= self.aside_until_ms

    def begin(self, now_ms: int) -> None:
        """It is asked. After a time aside that is a trial: others follow when it has answered, or not for a second."""
        if self.failures >= FAILURES_MAX and now_ms >= self.aside_until_ms:
            self.aside_until_ms = now_ms + ASIDE_MS_MIN
            self._on_trial = True

    def answered(self) -> None:
        """It has answered: all is forgiven."""
        self.failures = self._relapses = self.aside_until_ms = 0
        self._on_trial = False

    def failed(self, now_ms: int) -> bool:
        """It has failed an exchange. True if that was one too many in a row, and sets it aside now."""
        self.failures += 1
        if self.failures < FAILURES_MAX or (now_ms < self.aside_until_ms and not self._on_trial):
            return False
        self._on_trial = False
        spell_ms = min(ASIDE_MS_MIN << self._relapses, ASIDE_MS_MAX)
        self._relapses = min(self._relapses + 1, _RELAPSES_MAX)
        self.aside_until_ms = now_ms + int(spell_ms * (0.75 + 0.5 * self._chance()))
        return True

    def unreachable(self, now_ms: int) -> bool:
        """It takes no connection, which needs no second proof. True as for `failed`."""
        self.failures = max(self.failures, FAILURES_MAX - 1)
        return self.failed(now_ms)

    def check(self, *, passed: bool, needed: int) -> bool:
        """A check has passed or not. True if it was the last of `needed` in a row that speak against `checked`."""
        if passed is self.checked:
            self._verdicts = 0
            return False
        self._verdicts += 1
        if self._verdicts < needed:
            return False
        self._verdicts = 0
        self.checked = passed
        return True
