"""A version of the policies that was in force: which, since when, and by whom."""

from typing import Final

import msgspec

from guard.model.names import UnixMs

VERSIONS_MAX: Final = 50
"""How many are kept, with their contents."""


DIGEST_DIGITS: Final = 7
"""How much of a fingerprint a digest is."""


class Narrowing(msgspec.Struct, frozen=True):
    """What is signed before `until` may only be `past_ms` old, whatever its window says: no longer is it remembered."""

    until: UnixMs
    past_ms: int


class PolicyVersion(msgspec.Struct, frozen=True, kw_only=True):
    """`digest` names its contents; `summary` counts what it changed of the version before, as `guard diff` does."""

    number: int
    digest: str
    at: UnixMs
    actor: str
    why: str
    summary: str
