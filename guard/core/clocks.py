"""Can this node's clock be trusted? Judged by what other clocks say, in bounds that are certain.

Why it is right: another clock was read between the sending of a question and its answer, so how far this one is ahead
of it lies between two bounds, however slow the answer was. Only what is certain counts: bounds that straddle what is
allowed say nothing. Shared clocks (the database's, the shared store's) are read by every node; the machine's own wall
clock only tells that one of the two was set.
"""

from collections.abc import Collection

import msgspec

from guard.model.names import UnixMs


class Ahead(msgspec.Struct, frozen=True):
    """How far this node's clock is ahead of another: at least and at most."""

    least_ms: int
    most_ms: int

    @property
    def about_ms(self) -> int:
        """The middle, which is right if question and answer took equally long."""
        return (self.least_ms + self.most_ms) // 2


def ahead(before: UnixMs, theirs: UnixMs, after: UnixMs) -> Ahead:
    """What a reading of another clock says, with the time of this one before and after."""
    return Ahead(before - theirs, after - theirs)


def agrees(reading: Ahead, allowed_ms: int) -> bool | None:
    """Whether the clocks differ by no more than is allowed; None if that cannot be told."""
    if reading.least_ms > allowed_ms or reading.most_ms < -allowed_ms:
        return False
    if reading.least_ms >= -allowed_ms and reading.most_ms <= allowed_ms:
        return True
    return None


def is_sure(shared: Collection[bool], own: bool) -> bool:  # noqa: FBT001  # verdicts are what it is about
    """Whether signed requests may be judged: `shared` says of each shared clock that is known whether it agrees, `own`
    whether the machine's wall clock does. Two that disagree outvote this one; so does the only one that can be shared.
    """
    if not shared:
        return own
    return any(shared) and (*shared, own).count(False) < 2  # noqa: PLR2004  # two of three
