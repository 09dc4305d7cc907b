"""How many users there are at which moment of a run. The names of the stages are what scenarios go by, too."""

from collections.abc import Callable
from typing import TypeAlias

import msgspec

_SPIKE = 10


class Stage(msgspec.Struct, frozen=True):
    """From the end of the one before until `until_ms`, so many users."""

    name: str
    until_ms: int
    users: int


Shape: TypeAlias = Callable[[int, int], tuple[Stage, ...]]
"""Of a number of users and a duration in milliseconds."""


def steady(users: int, duration_ms: int) -> tuple[Stage, ...]:
    """The same all the time."""
    return (Stage("steady", duration_ms, users),)


def spike(users: int, duration_ms: int) -> tuple[Stage, ...]:
    """Ten times as many for a third of the run, and then as before: has everybody recovered?"""
    return (
        Stage("before", duration_ms * 3 // 10, users),
        Stage("in", duration_ms * 6 // 10, users * _SPIKE),
        Stage("after", duration_ms, users),
    )


def halves(users: int, duration_ms: int) -> tuple[Stage, ...]:
    """The same users, alone for one half of the run and in bad company for the other."""
    return (Stage("alone", duration_ms // 2, users), Stage("beside", duration_ms, users))


def sentence(users: int, duration_ms: int) -> tuple[Stage, ...]:
    """The same users: while one of them offends, while nothing is heard of them, and after that."""
    return (
        Stage("offence", duration_ms * 4 // 10, users),
        Stage("quiet", duration_ms * 8 // 10, users),
        Stage("released", duration_ms, users),
    )


def stage_at(stages: tuple[Stage, ...], elapsed_ms: int) -> Stage | None:
    """The stage of this moment; None when the run is over."""
    return next((stage for stage in stages if elapsed_ms < stage.until_ms), None)


def users_max(stages: tuple[Stage, ...]) -> int:
    """The most users that there are at once."""
    return max(stage.users for stage in stages)
