"""Honest traders, alone for half of the run and beside one who floods for the other half: they notice nothing of it."""

from locust import task

from loadtests.crowd.intents import SERVED, Intent
from loadtests.crowd.traders import ORDER, PlannedShape, Trader, stage_name

__all__ = ["Neighbour", "PlannedShape", "Victim"]

PLACE = {
    "alone": Intent(name="order, alone", route="POST /v1/orders", legit=True),
    "beside": Intent(name="order, beside a flood", route="POST /v1/orders", legit=True),
}
FLOOD = Intent(name="flood", route="POST /v1/orders", expects=(SERVED, "429 limit.key"))


class Victim(Trader):
    """Each has a key of its own."""

    fixed_count = 5

    @task
    def order(self) -> None:
        """Counted apart for the two halves, so that their latencies can be compared."""
        self.ask(PLACE[stage_name()], "/v1/orders", ORDER)


class Neighbour(Trader):
    """All have the same key, far beyond its limit."""

    role = "neighbour"
    every_ms = 25

    @task
    def flood(self) -> None:
        """In the second half only."""
        if stage_name() == "alone":
            self.idle()
        else:
            self.ask(FLOOD, "/v1/orders", ORDER)
