"""Alive is one thing, ready another."""

from typing import Any

import msgspec
import pytest

from guard.edges.health import Health, Readiness


async def _asked(health: Health, method: str, path: str) -> tuple[int, bytes]:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    await health({"type": "http", "method": method, "path": path}, receive, send)
    return sent[0]["status"], sent[1]["body"]


_READY = Health(lambda: Readiness(policy="3f2a91c"))
_WAITING = Health(lambda: Readiness(policy="3f2a91c", reasons=("keys",)))


@pytest.mark.parametrize(
    ("health", "method", "path", "status"),
    [
        (_READY, "GET", "/livez", 200),
        (_WAITING, "GET", "/livez", 200),
        (_READY, "GET", "/readyz", 200),
        (_WAITING, "GET", "/readyz", 503),
        (_READY, "GET", "/metrics", 404),
        (_READY, "POST", "/readyz", 405),
    ],
)
async def test_each_resource_tells_its_state(health: Health, method: str, path: str, status: int) -> None:
    assert (await _asked(health, method, path))[0] == status


async def test_what_it_waits_for_is_said() -> None:
    _, body = await _asked(_WAITING, "GET", "/readyz")
    assert msgspec.json.decode(body) == {"ready": False, "policy": "3f2a91c", "waiting_for": ["keys"]}


async def test_head_gets_no_body() -> None:
    assert await _asked(_READY, "HEAD", "/livez") == (200, b"")


async def test_other_scopes_are_ignored() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    async def send(_: Any) -> None:
        raise AssertionError

    await _READY({"type": "lifespan"}, receive, send)
