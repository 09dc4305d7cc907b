"""One who ignores that the limit is reached is banned, gets nothing while the ban lasts, and is served again after it.

The run has three parts: the offence, with the ban that ends it; quiet, longer than the ban; and release. Beside it an
honest trader from the same address notices nothing: the ban is of a key.
"""

import time

from locust import task

from loadtests.crowd.intents import SERVED, Intent
from loadtests.crowd.tally import Exchange
from loadtests.crowd.traders import ORDER, PlannedShape, Trader, stage_name

__all__ = ["Bystander", "Offender", "PlannedShape"]

_BANNED = "403 abuse.ban"
OFFENCE = Intent(name="offence", route="POST /v1/orders", expects=(SERVED, "429 limit.key", _BANNED))
BANNED = Intent(name="while banned", route="POST /v1/orders", expects=(_BANNED,))
RELEASED = Intent(name="after release", route="POST /v1/orders", legit=True)
BESIDE = Intent(name="bystander", route="POST /v1/orders", legit=True)

# One second of the two that the policy bans for: while that lasts, nothing may pass.
_WHILE_BANNED_NS = 1_000_000_000


class Offender(Trader):
    """Asks two and a half times as often as its key may."""

    role = "offender"
    fixed_count = 1
    every_ms = 20
    banned_at_ns: int | None = None
    turns = 0

    @task
    def order(self) -> None:
        """Whatever the part of the run is for."""
        if stage_name() == "released":
            self._behave()
        elif stage_name() == "quiet":
            self.idle()
        else:
            self._offend()

    def _behave(self) -> None:
        """One request for every ten turns: a quarter of what the key may."""
        self.turns += 1
        if self.turns % 10 == 1:
            self.ask(RELEASED, "/v1/orders", ORDER)
        else:
            self.idle()

    def _offend(self) -> None:
        """Until the ban, and for a second of it."""
        if self.banned_at_ns is None:
            exchange = self.ask(OFFENCE, "/v1/orders", ORDER)
            self.banned_at_ns = _banned_at(exchange)
        elif time.monotonic_ns() - self.banned_at_ns < _WHILE_BANNED_NS:
            self.ask(BANNED, "/v1/orders", ORDER)
        else:
            self.idle()


class Bystander(Trader):
    """Well within the limits."""

    @task
    def order(self) -> None:
        """Never denied."""
        self.ask(BESIDE, "/v1/orders", ORDER)


def _banned_at(exchange: Exchange) -> int | None:
    return exchange.answered_ns if exchange.answer == _BANNED else None
