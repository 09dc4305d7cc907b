"""Which signed messages have counted to their holder's score already, each once.

Whoever has captured one can send it again until its window ends: where it was refused before its nonce was spent, or
may be repeated because it only reads. So it must not count again to the holder, who did not send it. Each process knows
its own; a full table forgets the eldest.
"""

from hashlib import blake2b
from typing import Final

from guard.model.claims import Claim
from guard.model.names import KeyId

ECHOES_MAX: Final = 50_000


class Echoes:
    """The last `echoes_max` messages that have counted to somebody."""

    __slots__ = ("_heard", "_most")

    def __init__(self, echoes_max: int = ECHOES_MAX) -> None:
        self._most = echoes_max
        self._heard: dict[tuple[KeyId, bytes], None] = {}

    def is_echo(self, holder: KeyId, claim: Claim, body: bytes | None, *, admitted: bool) -> bool:
        """Whether this message of the holder's has counted before; from now on it has.

        Never where it was admitted and its nonce spent, or where its scheme signs no time and nothing tells two apart.
        """
        if (admitted and claim.nonce is not None) or (claim.signed_at is None and not claim.late):
            return False
        message = (holder, blake2b(claim.signature or body or b"", digest_size=16).digest())  # a body may be large
        if message in self._heard:  # knockout: echo_counts_once
            return True
        if len(self._heard) >= self._most:  # knockout: echoes_max
            del self._heard[next(iter(self._heard))]
        self._heard[message] = None
        return False
