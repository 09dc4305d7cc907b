"""Overrides: what an operator says at run time of how earnestly a rule is meant, until when, and why.

What one does to compiled policies is `policy/overriding.py`; how nodes hear of one is `state/directory.py`.
"""

from typing import Final, NewType

import msgspec

from guard.model.names import UnixMs
from guard.model.rules import Mode

OverrideId = NewType("OverrideId", str)

EVERY_SERVICE: Final = ""


class Override(msgspec.Struct, frozen=True, kw_only=True):
    """One rule (`limits.weight`) or one section (`limits`), and the mode that it has instead of its policy's.

    `service` is EVERY_SERVICE for each that has such a rule. It is kept for a while after its end.
    """

    id: OverrideId
    service: str
    rule: str
    mode: Mode
    since: UnixMs
    until: UnixMs
    why: str
    actor: str
    lifted_at: UnixMs | None = None
    revision: int = 0

    def is_in_force(self, now: UnixMs) -> bool:
        """Neither over nor lifted."""
        return self.lifted_at is None and now < self.until  # the end is no part of it
