"""What a node serves once, on a port of its own."""

import asyncio
import socket
from pathlib import Path

import pytest

from guard.app.node import Node, open_node
from guard.edges.health import Readiness
from guard.model.policy import PolicySet
from guard.settings import Settings
from guard.telemetry.meter import Meter
from tests.reloads import standing

_NODE = Node(
    readiness=lambda: Readiness(policy="3f2a91c"),
    tally=Meter(in_flight=lambda: 5).tally,
    reloading=standing(PolicySet(services=(), digest="3f2a91c")),
)


async def _asked(path: Path, target: str) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await writer.wait_closed()
    return answer


async def test_health_and_metrics_are_served_for_the_time_of_the_block(tmp_path: Path) -> None:
    path = tmp_path / "health.sock"
    async with open_node(Settings(health_listen=f"unix:{path}"), _NODE):
        assert b" 200 " in await _asked(path, "/livez")
        assert b'"policy":"3f2a91c"' in await _asked(path, "/readyz")
        assert b"guard_inflight_requests 5.0\n" in await _asked(path, "/metrics")
    assert not path.exists()


async def test_the_admin_api_is_served_beside_it_with_health_and_a_first_token(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    async with open_node(Settings(home=tmp_path / "home", admin_listen=f"unix:{path}"), _NODE):
        assert b" 200 " in await _asked(path, "/livez")
        assert b"guard_inflight_requests 5.0\n" in await _asked(path, "/metrics")
        assert b" 421 " in await _asked(path, "/admin/v1/keys")
        assert (tmp_path / "home" / "admin.token").exists()
    assert not path.exists()


async def test_nothing_is_served_where_nobody_asked_for_it_and_an_address_that_is_taken_is_told() -> None:
    async with open_node(Settings(), _NODE):
        pass
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            async with open_node(Settings(health_listen=f"127.0.0.1:{taken.getsockname()[1]}"), _NODE):
                pass
