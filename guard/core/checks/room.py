"""Is there room for it in the gateway itself, and behind it? Asked before anything is spent."""

from guard.core.evidence import Arrival, Departure
from guard.model.decision import Deny

_AGAIN_MS = 1000


def gateway_has_room(arrival: Arrival) -> Deny | None:
    """An overloaded gateway refuses what it does least harm to refuse: anonymous messages, then reads, then orders."""
    if arrival.routed.route.urgency >= arrival.strain:
        return None
    return Deny(code="gateway.overloaded", wait_ms=_AGAIN_MS)


def backend_can_take_it(departure: Departure) -> Deny | None:
    """Nobody's nonce or tokens are spent on a message whose backend is known not to take it."""
    if departure.obstacle is None:
        return None
    return Deny(code=departure.obstacle, wait_ms=_AGAIN_MS)
