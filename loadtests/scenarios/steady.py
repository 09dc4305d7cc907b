"""An ordinary day: of twenty requests fourteen read, five order and one cancels, at an even rate."""

from locust import task

from loadtests.crowd.intents import Intent
from loadtests.crowd.traders import ORDER, PlannedShape, Trader

__all__ = ["OrdinaryTrader", "PlannedShape"]

READ = Intent(name="read", route="GET /v1/orders", legit=True)
PLACE = Intent(name="order", route="POST /v1/orders", legit=True)
CANCEL = Intent(name="cancel", route="DELETE /v1/orders/{id}", legit=True, cancels=True)


class OrdinaryTrader(Trader):
    """Well within the limits, so that every denial is one too many."""

    @task(14)
    def read(self) -> None:
        """70 %."""
        self.ask(READ, "/v1/orders")

    @task(5)
    def order(self) -> None:
        """25 %."""
        self.ask(PLACE, "/v1/orders", ORDER)

    @task(1)
    def cancel(self) -> None:
        """5 %."""
        self.ask(CANCEL, "/v1/orders/o-1")
