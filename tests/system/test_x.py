import pytest
pytestmark = pytest.mark.system
def test_alive(gateway):
    gateway.assert_alive()
    r, got = gateway.assert_forwarded(gateway.signed("POST", "/v1/orders?x=1", b'{"a":1}'))
    print(r, got)
    print(gateway.decision(r))
