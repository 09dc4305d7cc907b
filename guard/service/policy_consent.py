"""Whether a change of policies in force waits for a second person, and what became of it.

What the policies in force say counts, so that a change which takes dual control away waits for it. What is confirmed is
one change, from these contents to those: the nodes that read them make it, and nobody makes another in its place.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from guard.model.admins import Release, ReleaseState
from guard.model.names import UnixMs
from guard.policy.diff import Change, differences, scheme_differences, summary
from guard.policy.directions import Kind
from guard.policy.load import fingerprint
from guard.policy.schemes import rewritten_schemes
from guard.service.dual_control import RELEASE_MS
from guard.service.key_steps import By
from guard.service.rulebook import Rulebook
from guard.signing.tokens import RELEASE_ID_PREFIX, mint_id
from guard.state.vault import Vault

COMMAND: Final = "reload"
_ID_RANDOM_BYTES = 20


class PolicyConsent:
    """What waits in one vault. Raises DatabaseError if that cannot be used."""

    def __init__(self, vault: Vault, *, now: Callable[[], UnixMs], random: Callable[[int], bytes]) -> None:
        self._vault = vault
        self._now = now
        self._random = random

    async def awaited(self, before: Rulebook, after: Rulebook, by: By) -> Release | None:
        """The release that this change waits for, asked for if need be; None if it may be made now."""
        if not before.policies.changes_by_two:  # knockout: policies_in_force_say_who_must_confirm
            return None
        changes = changes_between(before, after)
        if not any(change.kind is Kind.WEAKENS for change in changes):  # knockout: only_what_weakens_waits
            return None
        now = self._now()
        asked = Release(
            id=mint_id(RELEASE_ID_PREFIX, self._random(_ID_RANDOM_BYTES)),
            command=COMMAND,
            change=f"{fingerprint(before.files)}:{fingerprint(after.files)}",
            requested_by=by.actor,
            requested_at=now,
            why=f"{by.why}: {summary(changes)}" if by.why else summary(changes),
            expires_at=UnixMs(now + RELEASE_MS),
        )
        found = await self._vault.releases.ask(asked, by.deed(COMMAND, now))
        return None if found.state is ReleaseState.CONFIRMED else found

    async def find(self, release_id: str) -> Release | None:
        """A release as it stands by now; None if it is no more."""
        found = await self._vault.releases.find(release_id)
        return None if found is None else msgspec.structs.replace(found, state=found.state_at(self._now()))


def by_both(release: Release) -> By:
    """Who makes a change that was confirmed, whichever node is the first to make it."""
    return By(release.requested_by, f"{release.why}; confirmed by {release.settled_by}")


def changes_between(before: Rulebook, after: Rulebook) -> tuple[Change, ...]:
    """All that `after` changes, in policies and in schemes."""
    rewritten = scheme_differences(rewritten_schemes(before.files, after.files))
    return (*differences(before.policies, after.policies), *rewritten)
