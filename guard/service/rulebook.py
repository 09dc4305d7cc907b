"""The rules in force, as one value that is swapped whole, and where it is found."""

from collections.abc import Mapping

import msgspec

from guard.model.policy import PolicySet
from guard.policy.diagnostic import Diagnostic
from guard.signing.scheme import Scheme


class Rulebook(msgspec.Struct, frozen=True):
    """Policies and the signature schemes that they accept, by name. They belong together: one never changes alone.

    `files` are the contents that they were made of, by path: whoever has them has the same rules.
    """

    policies: PolicySet
    schemes: Mapping[str, Scheme]
    warnings: tuple[Diagnostic, ...] = ()
    files: Mapping[str, bytes] = {}


class Rules:
    """Where the rules in force are found. Whoever judges reads `current` once a message, so that none is judged by half
    of two; whoever puts another rulebook there does nothing else.
    """

    __slots__ = ("current",)

    def __init__(self, current: Rulebook) -> None:
        self.current = current

    @property
    def policies(self) -> PolicySet:
        """The policies in force now."""
        return self.current.policies
