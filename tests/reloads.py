"""A reloading for tests that do not reload: its files always say what is in force."""

from collections.abc import Callable

from guard.model.names import UnixMs
from guard.model.policy import PolicySet
from guard.policy.load import Invalid
from guard.service.policies import Rulebook, Rules
from guard.service.reloading import Demand, Reloading


def standing(
    rules: Rules | PolicySet, *, at: int = 0, read: Callable[[], Rulebook | Invalid | None] = lambda: None
) -> Reloading:
    """Over these rules, in force since `at`; unless `read` gives others."""
    chosen = Rules(Rulebook(policies=rules, schemes={})) if isinstance(rules, PolicySet) else rules
    return Reloading(
        chosen, lambda: read() or chosen.current, lambda _: lambda: None, unwritten, now=lambda: UnixMs(at)
    )


async def unwritten(_: Rulebook, __: Demand) -> int:
    """Writes nothing down."""
    return 0
