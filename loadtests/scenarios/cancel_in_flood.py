"""A key that floods with orders is refused; the cancels of the same key are all served, for they are its way out."""

from locust import task

from loadtests.crowd.intents import SERVED, Intent
from loadtests.crowd.traders import ORDER, PlannedShape, Trader

__all__ = ["Canceller", "Flooder", "PlannedShape"]

FLOOD = Intent(name="flood", route="POST /v1/orders", expects=(SERVED, "429 limit.key"))
CANCEL = Intent(name="cancel", route="DELETE /v1/orders/{id}", legit=True, cancels=True)


class Flooder(Trader):
    """All flooders have the same key."""

    every_ms = 50

    @task
    def order(self) -> None:
        """Most of them are refused."""
        self.ask(FLOOD, "/v1/orders", ORDER)


class Canceller(Trader):
    """The flooders' own key."""

    fixed_count = 1

    @task
    def cancel(self) -> None:
        """Never refused."""
        self.ask(CANCEL, "/v1/orders/o-1")
