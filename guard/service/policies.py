"""The rules in force: what the policy room made of a directory, as one value that is swapped whole."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from guard.model.policy import PolicySet
from guard.policy.diagnostic import Diagnostic
from guard.policy.load import Invalid, Loaded, load_contents, load_policies
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


def read_rulebook(directory: Path) -> Rulebook | Invalid:
    """The rules of a directory, or every diagnostic that keeps them from being in force."""
    return _rulebook(load_policies(directory))


def rulebook_of(files: Mapping[str, bytes]) -> Rulebook | Invalid:
    """The rules of contents that were read before, here or by another process: `Rulebook.files`."""
    return _rulebook(load_contents(files))


def _rulebook(loaded: Loaded | Invalid) -> Rulebook | Invalid:
    if isinstance(loaded, Invalid):
        return loaded
    return Rulebook(
        policies=loaded.policies, schemes=loaded.schemes, warnings=loaded.warnings, files=dict(loaded.contents)
    )
