"""Names of fields: the sequence that a message has of them, and whether any comes near those of a credential.

Clients send the same names in the same order again and again, so what follows from names alone is worked out once for
each sequence, here and in `wire/fields.py`, `wire/forwarding.py` and `signing/sources.py`. Which names are credentials
is known only once the message has found its service; those that guard itself owns are looked at in `wire/fields.py`.
"""

from collections.abc import Sequence
from functools import lru_cache

from guard.model.facts import Defect, Facts, Field, FieldNames
from guard.wire.hop_by_hop import connection_members
from guard.wire.owned_fields import fold

SEQUENCES_MAX = 1024
"""How many sequences of names are remembered; a hostile client can make us forget one, and work it out again."""

_SHARED_BYTES_MAX = 2048
_NO_NAMES = FieldNames(())

_CODE = "request.malformed"


def field_names(fields: Sequence[Field]) -> FieldNames:
    """The names of the fields (in lower case): one object for all messages that have the same."""
    if not fields:
        return _NO_NAMES
    joined = b"\n".join([name for name, _ in fields])
    shared = _shared(joined) if len(joined) <= _SHARED_BYTES_MAX else None
    if shared is None or len(shared.names) != len(fields):  # a name that holds a line end
        return FieldNames(tuple([name for name, _ in fields]))
    return shared


def names_defect(facts: Facts, credentials: frozenset[bytes]) -> Defect | None:
    """Why another program may take other fields for those that `credentials` (lower case) call, or None."""
    if has_alias(facts.names, credentials):
        return Defect(_CODE, "a field has a name that is another spelling of a credential's")
    if b"connection" in facts.names.at and connection_lists(facts, credentials):
        return Defect(_CODE, "Connection lists a credential")
    return None


@lru_cache(maxsize=SEQUENCES_MAX)
def has_alias(names: FieldNames, credentials: frozenset[bytes]) -> bool:
    """Whether some name folds to one of `credentials` but is not spelled so (BYPASSES.md A12)."""
    folded = _folded(credentials)
    return any(name not in credentials and fold(name) in folded for name in names.at)


def connection_lists(facts: Facts, credentials: frozenset[bytes]) -> bool:
    """Whether Connection asks to drop one of `credentials`, in any spelling (BYPASSES.md A13)."""
    return not _folded(credentials).isdisjoint(map(fold, connection_members(facts.values(b"connection"))))


@lru_cache(maxsize=SEQUENCES_MAX)
def _shared(joined: bytes) -> FieldNames:
    return FieldNames(tuple(joined.split(b"\n")))


@lru_cache(maxsize=256)
def _folded(names: frozenset[bytes]) -> frozenset[bytes]:
    return frozenset(map(fold, names))
