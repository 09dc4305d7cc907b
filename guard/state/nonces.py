"""Which messages were seen: identities in the memory of one process, each until no message with it can pass again."""

from typing import TypeAlias

import msgspec

from guard.model.names import UnixMs
from guard.model.questions import BeforeEpoch, Once, Replayed
from guard.state.wheel import Wheel

Identity: TypeAlias = tuple[str, str, bytes]


class _Seen(msgspec.Struct, frozen=True, gc=False):
    binding: bytes
    repeatable: bool
    first_seen_at: UnixMs
    forget_after: UnixMs


class Nonces:
    """Identities that were granted, or refused and burnt, since `born_at`: `most` of them at most."""

    __slots__ = ("_born_at", "_expiry", "_most", "_seen")

    def __init__(self, born_at: UnixMs, most: int) -> None:
        self._born_at = born_at
        self._most = most
        self._seen: dict[Identity, _Seen] = {}
        self._expiry: Wheel[Identity] = Wheel()

    def __len__(self) -> int:
        return len(self._seen)

    def refusal(self, once: Once, now: UnixMs) -> BeforeEpoch | Replayed | None:
        """Why it may not pass: signed before memory begins (plus the clock lead: nobody knows whether it is fresh), or
        seen, and not one that may pass again.
        """
        if once.signed_at <= self._born_at + once.future_ms:  # knockout: before_epoch
            return BeforeEpoch(now, self._born_at)
        seen = self._find(once, now)
        if seen is not None and not _may_repeat(once, seen):  # knockout: replayed
            return Replayed(now, seen.first_seen_at)
        return None

    def is_new(self, once: Once, now: UnixMs) -> bool:
        """Whether one that may pass was never seen."""
        return not once.repeatable or self._find(once, now) is None

    @property
    def full(self) -> bool:
        """Whether there is no room for one more."""
        return len(self._seen) >= self._most

    def remember(self, once: Once, now: UnixMs) -> None:
        """It is seen from now on."""
        self._seen[once.identity] = _Seen(once.binding, once.repeatable, now, once.forget_after)
        self._expiry.add(once.forget_after, once.identity)

    def sweep(self, now: UnixMs, looks: int) -> None:
        """Forget up to `looks` of those that are over."""
        if now < self._expiry.next_at:
            return
        for _ in range(looks):
            identity = self._expiry.take(now)
            if identity is None:
                return
            seen = self._seen.get(identity)
            if seen is not None and now > seen.forget_after:  # knockout: expired_identity_is_dropped
                del self._seen[identity]

    def _find(self, once: Once, now: UnixMs) -> _Seen | None:
        seen = self._seen.get(once.identity)
        if seen is not None and now > seen.forget_after:  # knockout: forgotten_when_over
            return None
        return seen


def _may_repeat(once: Once, seen: _Seen) -> bool:
    """The same message again, on a route that only reads, under a scheme that has no nonce."""
    if not once.repeatable:  # knockout: repeat_must_be_repeatable
        return False
    if not seen.repeatable:  # knockout: first_must_be_repeatable
        return False
    if once.binding != seen.binding:  # knockout: repeat_is_bound  # noqa: SIM103
        return False
    return True
