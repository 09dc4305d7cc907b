"""The rules in force, as one value that is swapped whole, and where it is found."""

from collections.abc import Callable, Mapping

import msgspec

from guard.model.overrides import Override
from guard.model.policy import PolicySet, Service
from guard.policy.diagnostic import Diagnostic
from guard.policy.overriding import overridden
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
    of two. They are two in one: `base` is what the files say, which `put` replaces, and what operators say for a while,
    which `override` does. Neither undoes the other, and `current` changes in one assignment.

    `derive` is told of each service that stands in for one of the base, before any message can meet it;
    `changed` of the files' policies before and after, each time that they are others.
    """

    __slots__ = ("_overrides", "base", "changed", "current", "derive")

    def __init__(self, base: Rulebook) -> None:
        self.base = base
        self.current = base
        self.derive: Callable[[Mapping[Service, Service]], object] = lambda _: None
        self.changed: Callable[[PolicySet, PolicySet], object] = lambda _before, _after: None
        self._overrides: tuple[Override, ...] = ()

    @property
    def policies(self) -> PolicySet:
        """The policies in force now."""
        return self.current.policies

    def put(self, base: Rulebook) -> None:
        """Other files' rules; the overrides stay."""
        before, self.base = self.base, base
        self._join()
        self.changed(before.policies, base.policies)

    def override(self, overrides: tuple[Override, ...]) -> None:
        """These overrides instead of those before; the files' rules stay."""
        self._overrides = overrides
        self._join()

    def _join(self) -> None:
        base = self.base
        policies = overridden(base.policies, self._overrides)
        if policies is base.policies:
            self.current = base
            return
        self.derive(dict(zip(policies.services, base.policies.services, strict=True)))
        self.current = msgspec.structs.replace(base, policies=policies)
