"""An Allow knows what it allows."""

from guard.core.stages import Allow
from tests.build import record, signed
from tests.line import decided


def test_an_allow_leads_back_to_its_message_service_route_and_key() -> None:
    message = signed()
    allowed = decided(message, body=b"")
    assert isinstance(allowed, Allow)
    assert allowed.facts is message
    assert allowed.service.name == "exchange"
    assert allowed.route.name == "POST /v1/orders"
    assert allowed.record is not None
    assert allowed.record.id == record().id
