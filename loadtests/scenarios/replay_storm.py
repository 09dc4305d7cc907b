"""Captured requests, sent again and again by everybody at once, over all workers: each of them is served exactly once.

Nobody has to tell the others what was captured: in each half second there is one request, of which every user in every
process can make the same bytes, since its nonce follows from the key and the time. Who is first is left to the race.
"""

import hashlib
import hmac
import time

from locust import task

from guard.model.names import UnixMs
from loadtests.crowd.auth import Signed, signed
from loadtests.crowd.intents import SERVED, Intent
from loadtests.crowd.traders import ORDER, PlannedShape, Trader

__all__ = ["PlannedShape", "Replayer"]

COPY = Intent(name="copy", route="POST /v1/orders", expects=(SERVED, "401 auth.replayed"), once=True)
SLOT_MS = 500


class Replayer(Trader):
    """All replayers have the same key, and so the same request in each slot."""

    @task
    def copy(self) -> None:
        """One of many."""
        self.send(COPY, self.captured(time.time_ns() // 1_000_000 // SLOT_MS))

    def captured(self, slot: int) -> Signed:
        """The request of a slot: 128 bits of a keyed hash of it are its nonce."""
        nonce = hmac.digest(self.key.secret.encode(), b"%d" % slot, hashlib.sha256).hex()[:32]
        now = UnixMs(slot * SLOT_MS)
        return signed(self.key, "POST", "/v1/orders", ORDER, authority=self.authority, now=now, nonce=nonce)
