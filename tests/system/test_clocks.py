"""A gateway whose clock Redis contradicts judges nothing that is signed, and says why, until its clock is right."""

from pathlib import Path

import pytest

from guard.app.keys import open_keyring
from tests.faults.node import Node, Place
from tests.system.gateway import BY, NOBODY_URL, POLICIES, eventually
from tests.system.key_holder import Key, minted, signed
from tests.system.raw_http import Response, ask
from tests.system.recording_backend import RecordingBackend

pytestmark = pytest.mark.system


class _Behind(Node):
    """A node that counts as started once it says that its clock is not right."""

    def answers(self) -> bool:
        try:
            told = self.readyz()
        except OSError:
            return False
        return told.status == 503 and b"behind the redis's, more than 1000" in told.body

    def order(self, key: Key) -> Response:
        return ask(self.port, signed(key, "GET", "/v1/canary"))


async def test_a_gateway_three_seconds_off_redis_refuses_what_is_signed_until_its_clock_is_right(
    tmp_path: Path, backend: RecordingBackend, redis_url: str
) -> None:
    key = minted("trader")
    environment = {"NOBODY_URL": NOBODY_URL, "GUARD_STORE_MS_MAX": "500"}
    place = Place(
        policies=POLICIES, home=tmp_path, backend_url=backend.url, state_url=redis_url, environment=environment
    )
    async with open_keyring(place.settings) as keyring:
        await keyring.take_over([key.order], BY)
    with _Behind(place, clock_ahead_ms=-3000) as node:
        assert (node.order(key).status, node.order(key).code) == (503, "gateway.clock")
        assert b'guard_clock_skew_seconds{against="redis"} -' in node.health("/metrics").body
        node.set_clock(0)
        eventually(lambda: node.readyz().status == 200, 10)
        eventually(lambda: node.order(key).status == 200, 10)
