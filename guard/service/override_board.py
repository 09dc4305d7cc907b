"""The overrides that this process knows, and putting those in force that are: when the database tells of one, and when
the time of one is over by this node's own clock, whether or not the database can be reached.
"""

from collections.abc import Callable, Iterable

from guard.model.names import UnixMs
from guard.model.overrides import Override, OverrideId
from guard.model.rules import Mode
from guard.service.rulebook import Rules


class OverrideBoard:
    """See the module. `told` hears of those in force, each time that they are others."""

    def __init__(
        self,
        rules: Rules,
        now: Callable[[], UnixMs],
        told: Callable[[tuple[Override, ...]], object] = lambda _: None,
    ) -> None:
        self.in_force: tuple[Override, ...] = ()
        self._rules = rules
        self._now = now
        self._told = told
        self._known: dict[OverrideId, Override] = {}

    @property
    def degraded(self) -> tuple[str, ...]:
        """What an operator must know."""
        return tuple(map(override_told, self.in_force))

    def heard(self, overrides: Iterable[Override]) -> None:
        """The database tells of these, in whatever order its answers come."""
        for override in overrides:
            known = self._known.get(override.id)
            if known is None or known.revision < override.revision:  # knockout: newer_override_stays
                self._known[override.id] = override
        self.refresh()

    def refresh(self) -> None:
        """Put in force what is, and no more what is over. What is lifted is known until its end: so a late answer that
        tells of it as it was before brings it not back.
        """
        now = self._now()
        self._known = {each.id: each for each in self._known.values() if now < each.until}
        in_force = tuple(each for each in self._known.values() if each.is_in_force(now))
        if in_force != self.in_force:
            self.in_force = in_force
            self._rules.override(in_force)
            self._told(in_force)


def override_told(override: Override) -> str:
    """An override in words, without its reason: that is for those who may see policies."""
    where = f" in {override.service}" if override.service else ""
    verb = "is" if override.mode is Mode.OFF else "is in"
    return f"mode: {override.rule} {verb} {override.mode}{where} by override {override.id}"
