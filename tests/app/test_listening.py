"""Listeners, opened for a time."""

import asyncio
from pathlib import Path
from typing import Any

from guard.app.listening import Doorstep, doorstep_of, listening
from guard.server.limits import Limits
from guard.server.listener import Listener
from guard.server.refusal import Refused
from guard.server.tls import Tls
from guard.settings import Settings
from tests.server.certificates import Authority


async def _status(address: str, request: bytes) -> bytes:
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    line = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    await writer.wait_closed()
    return line


async def test_nothing_listens_where_nobody_asked_for_it() -> None:
    async def nothing(*_: object) -> None:
        raise AssertionError

    async with listening(nothing, None):
        pass


async def test_the_settings_reach_the_listener(tmp_path: Path) -> None:
    cert_file, key_file = Authority(tmp_path).pair("server")
    settings = Settings(
        tls_cert_file=cert_file,
        tls_key_file=key_file,
        tls_client_ca_file=tmp_path / "authority.pem",
        tls_client_certs="required",
        proxy_from="192.0.2.0/24, unix",
        head_bytes_max=2048,
        fields_max=7,
        connections_max=8,
        connections_per_address_max=9,
        handshake_ms_max=10,
        head_ms_max=11,
        body_progress_ms_max=12,
        idle_ms_max=13,
        write_stall_ms_max=14,
        drain_ms_max=1500,
    )
    assert doorstep_of(settings) == Doorstep(
        limits=Limits(
            head_bytes_max=2048,
            fields_max=7,
            connections_max=8,
            connections_per_address_max=9,
            handshake_ms=10,
            head_ms=11,
            body_progress_ms=12,
            idle_ms=13,
            write_stall_ms=14,
        ),
        grace_s=1.5,
        tls=Tls(
            cert_file=cert_file,
            key_file=key_file,
            client_ca_file=tmp_path / "authority.pem",
            client_certs="required",
        ),
        proxy_from=("192.0.2.0/24", "unix"),
    )
    assert doorstep_of(Settings()) == Doorstep()


async def test_refusals_of_our_own_listener_are_told_and_it_can_be_aborted() -> None:
    async def nothing(*_: object) -> None:
        raise AssertionError

    refused: list[Refused] = []
    async with listening(nothing, "127.0.0.1:0", refused=refused.append) as doorstep:
        assert isinstance(doorstep, Listener)
        assert b" 400 " in await _status(f"127.0.0.1:{doorstep.port}", b"BROKEN\r\n\r\n")
        assert doorstep.abort(address="127.0.0.1") in {0, 1}
    assert [told.code for told in refused] == ["request.malformed"]


async def test_uvicorn_serves_the_same_application() -> None:
    async def app(_scope: object, _receive: object, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with listening(app, "127.0.0.1:0", "uvicorn") as doorstep:
        assert doorstep is not None
        assert b" 200 " in await _status(f"127.0.0.1:{doorstep.port}", b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
