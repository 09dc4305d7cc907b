"""Forged signatures with the id of an honest trader's key, and keys that do not exist: all are refused alike, and the
honest trader loses neither a request nor a token by it.
"""

import secrets
import time

from locust import task

from guard.model.names import UnixMs
from loadtests.crowd.auth import Signed, forged, fresh_nonce
from loadtests.crowd.intents import Intent
from loadtests.crowd.keys import LoadKey
from loadtests.crowd.traders import ORDER, PlannedShape, Trader

__all__ = ["Forger", "HonestTrader", "PlannedShape", "Stranger"]

PLACE = Intent(name="order", route="POST /v1/orders", legit=True)
FORGED = Intent(name="forged signature", route="POST /v1/orders", expects=("401 auth.invalid",))
UNKNOWN = Intent(name="unknown key", route="POST /v1/orders", expects=("401 auth.invalid",))


class HonestTrader(Trader):
    """Whose key's id everybody knows. Its own requests leave room in its bucket; the forgeries would not."""

    fixed_count = 1

    @task
    def order(self) -> None:
        """Always served."""
        self.ask(PLACE, "/v1/orders", ORDER)


class Forger(Trader):
    """Knows the id, and not the secret."""

    every_ms = 50

    @task
    def forge(self) -> None:
        """Refused, for a reason that says nothing."""
        self.send(FORGED, _forged(self, self.key))


class Stranger(Trader):
    """Makes key ids up, another one each time."""

    @task
    def guess(self) -> None:
        """Refused in the same way: not even that there is no such key is told."""
        self.send(UNKNOWN, _forged(self, LoadKey(f"k_{secrets.token_hex(8)}", "", "")))


def _forged(trader: Trader, key: LoadKey) -> Signed:
    now = UnixMs(time.time_ns() // 1_000_000)
    return forged(key, "POST", "/v1/orders", ORDER, authority=trader.authority, now=now, nonce=fresh_nonce())
