"""Names that a service's credentials travel under: nobody may come near them with another spelling.

The names are known only once the message has found its service, so this is asked by the core, not by the edge; the
names that guard itself owns were looked at before (`wire/fields.py`). That a credential appears once is seen where it
is read (`signing/credentials.py`).
"""

from functools import lru_cache

from guard.model.facts import Defect, Facts
from guard.wire.hop_by_hop import connection_members
from guard.wire.owned_fields import fold

_CODE = "request.malformed"


def names_defect(facts: Facts, names: frozenset[bytes]) -> Defect | None:
    """Why another program may take other fields for those that `names` (lower case) call, or None."""
    if has_alias(facts, names):
        return Defect(_CODE, "a field has a name that is another spelling of a credential's")
    if connection_lists(facts, names):
        return Defect(_CODE, "Connection lists a credential")
    return None


def has_alias(facts: Facts, names: frozenset[bytes]) -> bool:
    """Whether some field folds to one of `names` but is not spelled so (BYPASSES.md A12)."""
    folded = _folded(names)
    return bool([name for name, _ in facts.fields if name not in names and fold(name) in folded])


def connection_lists(facts: Facts, names: frozenset[bytes]) -> bool:
    """Whether Connection asks to drop one of `names`, in any spelling (BYPASSES.md A13)."""
    return not _folded(names).isdisjoint(map(fold, connection_members(facts.fields)))


@lru_cache(maxsize=256)
def _folded(names: frozenset[bytes]) -> frozenset[bytes]:
    return frozenset(map(fold, names))
