"""Which signed messages have counted to their holder's score already, each once.

Whoever has captured one can send it again until its window ends: where it was refused before its nonce was spent, or
may be repeated because it only reads. So it must not count again to the holder, who did not send it. A message is told
by what was signed, not by how it is written: one signature has several spellings. That it was admitted counts once too,
whoever has sent it elsewhere before: else a copy would hide it. Each process knows its own; a full table forgets the
eldest.
"""

from collections import OrderedDict
from hashlib import blake2b
from typing import Final

from guard.model.questions import Identity

ECHOES_MAX: Final = 50_000


class Echoes:
    """The last `echoes_max` messages that have counted to somebody."""

    __slots__ = ("_heard", "_most")

    def __init__(self, echoes_max: int = ECHOES_MAX) -> None:
        self._most = echoes_max
        self._heard: OrderedDict[Identity, bool] = OrderedDict()  # the first of a plain one is ever farther to seek

    def is_echo(self, message: Identity, *, admitted: bool) -> bool:
        """Whether this message has counted before, as admitted if it was; from now on it has."""
        key_id, scheme, signed = message
        told = (key_id, scheme, blake2b(signed, digest_size=16).digest())  # a nonce may be long
        before = self._heard.get(told)
        if before is not None and (before or not admitted):  # knockout: echo_counts_once
            return True
        if before is None and len(self._heard) >= self._most:  # knockout: echoes_max
            self._heard.popitem(last=False)
        self._heard[told] = admitted
        return False
