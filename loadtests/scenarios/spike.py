"""Ten times as many traders at once, for a while: everybody is served during it, and as fast as before after it."""

from locust import task

from loadtests.crowd.intents import Intent
from loadtests.crowd.traders import ORDER, PlannedShape, Trader, stage_name

__all__ = ["OrdinaryTrader", "PlannedShape"]

PLACE = {
    stage: Intent(name=f"order {stage} the spike", route="POST /v1/orders", legit=True)
    for stage in ("before", "in", "after")
}
CANCEL = Intent(name="cancel", route="DELETE /v1/orders/{id}", legit=True, cancels=True)


class OrdinaryTrader(Trader):
    """Within the limits: there are more of them, not greedier ones. Orders are counted apart by when they are sent."""

    every_ms = 200

    @task(9)
    def order(self) -> None:
        """Most of the time."""
        self.ask(PLACE[stage_name()], "/v1/orders", ORDER)

    @task(1)
    def cancel(self) -> None:
        """Also in the spike."""
        self.ask(CANCEL, "/v1/orders/o-1")
