"""Serving until told to stop."""

import asyncio
import os
import signal
import socket
from pathlib import Path

from guard.app.serving import listening, serve
from guard.settings import Settings
from tests.app.test_gateway import rules


async def _status(address: str, request: bytes) -> bytes:
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    line = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    await writer.wait_closed()
    return line


def _free() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


async def _until_ready(health: str) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                if b" 200 " in await _status(health, b"GET /readyz HTTP/1.1\r\nhost: a\r\n\r\n"):
                    return
            except OSError:
                pass
            await asyncio.sleep(0.05)


async def test_a_gateway_serves_until_sigterm_and_closes_its_ports(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path / "home", listen=_free(), health_listen=_free(), decision_log=str(tmp_path / "decisions.jsonl")
    )
    serving = asyncio.create_task(serve(settings, rules(tmp_path / "policies")))
    assert settings.health_listen is not None
    await _until_ready(settings.health_listen)
    refused = await _status(settings.listen, b"GET /v1/x HTTP/1.1\r\nhost: a\r\n\r\n")
    assert refused.startswith(b"HTTP/1.1 401 ")
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(serving, 10)
    for address in (settings.listen, settings.health_listen):
        with socket.socket() as again:
            host, port = address.split(":")
            assert again.connect_ex((host, int(port))) != 0


async def test_nothing_listens_where_nobody_asked_for_it() -> None:
    async def nothing(*_: object) -> None:
        raise AssertionError

    async with listening(nothing, None):
        pass
