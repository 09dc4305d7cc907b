"""All lints, in order. They are asked once no file has an error, so that no warning follows from one."""

from collections.abc import Callable, Iterator
from typing import Final

from guard.policy.diagnostic import Diagnostic
from guard.policy.lints.cancels import blocked_cancels
from guard.policy.lints.limits import idle_limits, slow_limits
from guard.policy.lints.money import careless_with_money
from guard.policy.lints.scopes import ungranted_scopes
from guard.policy.lints.whole import Whole
from guard.policy.lints.windows import long_windows

LINTS: Final[tuple[Callable[[Whole], Iterator[Diagnostic]], ...]] = (
    ungranted_scopes,
    idle_limits,
    slow_limits,
    blocked_cancels,
    careless_with_money,
    long_windows,
)


def lint(service: Whole) -> list[Diagnostic]:
    """What every lint says of one service."""
    return [warning for each in LINTS for warning in each(service)]
