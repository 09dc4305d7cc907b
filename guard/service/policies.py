"""The rules in force: what the policy room made of a directory, as one value that is swapped whole."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from guard.model.policy import PolicySet
from guard.policy.diagnostic import Diagnostic
from guard.policy.load import Invalid, load_policies
from guard.signing.scheme import Scheme


class Rulebook(msgspec.Struct, frozen=True):
    """Policies and the signature schemes that they accept, by name. They belong together: one never changes alone."""

    policies: PolicySet
    schemes: Mapping[str, Scheme]
    warnings: tuple[Diagnostic, ...] = ()


def read_rulebook(directory: Path) -> Rulebook | Invalid:
    """The rules of a directory, or every diagnostic that keeps them from being in force."""
    loaded = load_policies(directory)
    if isinstance(loaded, Invalid):
        return loaded
    return Rulebook(policies=loaded.policies, schemes=loaded.schemes, warnings=loaded.warnings)
