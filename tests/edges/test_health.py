"""Alive is one thing, ready another; and what was counted is told."""

from typing import Any

import msgspec
import pytest

from guard.edges.health import Health, Readiness


async def _asked(health: Health, method: str, path: str) -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    await health({"type": "http", "method": method, "path": path}, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


def _broken() -> Any:
    raise AssertionError


def _metrics() -> bytes:
    return b"guard_up 1\n"


_READY = Health(lambda: Readiness(policy="3f2a91c"), _metrics)
_WAITING = Health(lambda: Readiness(policy="3f2a91c", reasons=("keys",)), _metrics)


@pytest.mark.parametrize(
    ("health", "method", "path", "status"),
    [
        (_READY, "GET", "/livez", 200),
        (_WAITING, "GET", "/livez", 200),
        (_READY, "GET", "/readyz", 200),
        (_WAITING, "GET", "/readyz", 503),
        (_WAITING, "GET", "/metrics", 200),
        (_READY, "GET", "/", 404),
        (_READY, "POST", "/readyz", 405),
    ],
)
async def test_each_resource_tells_its_state(health: Health, method: str, path: str, status: int) -> None:
    answered, fields, body = await _asked(health, method, path)
    assert answered == status
    assert fields[b"content-length"] == b"%d" % len(body)
    assert fields[b"cache-control"] == b"no-store"


async def test_alive_is_answered_without_asking_anybody() -> None:
    assert (await _asked(Health(_broken, _broken), "GET", "/livez"))[2] == b'{"alive":true}'


async def test_what_it_waits_for_is_said() -> None:
    _, _, body = await _asked(_WAITING, "GET", "/readyz")
    assert msgspec.json.decode(body) == {"ready": False, "policy": "3f2a91c", "waiting_for": ["keys"], "degraded": []}


async def test_metrics_are_told_in_the_text_format_of_prometheus() -> None:
    _, fields, body = await _asked(_READY, "GET", "/metrics")
    assert fields[b"content-type"] == b"text/plain; version=0.0.4; charset=utf-8"
    assert body == b"guard_up 1\n"


async def test_head_gets_no_body() -> None:
    status, fields, body = await _asked(_READY, "HEAD", "/livez")
    assert (status, fields[b"content-length"], body) == (200, b"14", b"")


async def test_other_scopes_are_ignored() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    async def send(_: Any) -> None:
        raise AssertionError

    await _READY({"type": "lifespan"}, receive, send)
