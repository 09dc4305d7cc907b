"""One key, as fast as it can from many connections and workers at once: what is admitted stays within its bucket."""

from locust import task

from loadtests.crowd.intents import SERVED, Intent
from loadtests.crowd.traders import ORDER, PlannedShape, Trader

__all__ = ["Flooder", "PlannedShape"]

FLOOD = Intent(name="flood", route="POST /v1/orders", expects=(SERVED, "429 limit.key"))


class Flooder(Trader):
    """All flooders have the same key."""

    @task
    def order(self) -> None:
        """Served while there is room; refused after that, and both are right."""
        self.ask(FLOOD, "/v1/orders", ORDER)
