"""What guard itself says in the answer to a request that it let through."""

from guard.model.facts import Field
from guard.model.names import RequestId
from guard.model.questions import Reading
from guard.wire.owned_fields import GUARD_REQUEST_ID, GUARD_SENT
from guard.wire.rate_limit_fields import rate_limit


def allowed_fields(readings: tuple[Reading, ...], request_id: RequestId) -> tuple[Field, ...]:
    """Its limits, its id, and that it was sent."""
    return (*rate_limit(readings), (GUARD_REQUEST_ID, request_id.encode()), (GUARD_SENT, b"yes"))
