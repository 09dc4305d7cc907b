"""Serving until told to stop."""

import asyncio
import gc
import json
import os
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from guard.app.keys import open_keyring
from guard.app.serving import Doorstep, doorstep_of, listening, serve
from guard.core.lifecycle import KeyCommand
from guard.model.keys import KeyAlgorithm
from guard.model.names import UnixMs
from guard.server.limits import Limits
from guard.server.listener import Listener
from guard.server.refusal import Refused
from guard.server.tls import Tls
from guard.service.key_orders import KeyOrder
from guard.service.keyring import By
from guard.settings import Settings
from guard.signing.signer import sign
from tests.app.test_gateway import rules
from tests.server.certificates import Authority


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
    async with asyncio.timeout(5):
        while gc.get_freeze_count() == 0:  # noqa: ASYNC110  # it follows readiness by one look
            await asyncio.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(serving, 10)
    for address in (settings.listen, settings.health_listen):
        with socket.socket() as again:
            host, port = address.split(":")
            assert again.connect_ex((host, int(port))) != 0
    assert gc.get_freeze_count() == 0


async def test_what_the_listener_refuses_stands_in_the_decision_log(tmp_path: Path) -> None:
    log = tmp_path / "decisions.jsonl"
    settings = Settings(home=tmp_path / "home", listen=_free(), health_listen=_free(), decision_log=str(log))
    serving = asyncio.create_task(serve(settings, rules(tmp_path / "policies")))
    assert settings.health_listen is not None
    await _until_ready(settings.health_listen)
    refused = await _status(settings.listen, b"GET /v1/x HTTP/1.1\r\nhost : a\r\n\r\n")
    assert refused.startswith(b"HTTP/1.1 400 ")
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(serving, 10)
    [event] = [json.loads(line) for line in log.read_text().splitlines()]
    assert event.pop("id").startswith("req_")
    assert event.pop("ts").endswith("Z")
    assert event == {
        "decision": "deny",
        "reason": "request.malformed",
        "status": 400,
        "sent": "no",
        "transport": "http",
        "ip": "127.0.0.1",
        "error": "head",
    }


async def test_a_key_that_is_revoked_takes_its_connections_with_it(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", listen=_free(), health_listen=_free(), decision_log="none")
    async with open_keyring(settings) as keyring:
        order = KeyOrder(account="acme", secret="s" * 32, id="k", algorithm=KeyAlgorithm.HMAC_SHA256, scopes=("read",))
        await keyring.take_over([order], By("test", "a test"))
        serving = asyncio.create_task(serve(settings, rules(tmp_path / "policies")))
        assert settings.health_listen is not None
        await _until_ready(settings.health_listen)
        host, port = settings.listen.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        fields = sign(
            key_id="k",
            secret_or_private=b"s" * 32,
            algorithm=KeyAlgorithm.HMAC_SHA256,
            method="GET",
            authority=b"a",
            target=b"/v1/x",
            body=b"",
            now=UnixMs(time.time_ns() // 1_000_000),
            nonce="nonce-0123456789-abcdefg",
        )
        head = b"GET /v1/x HTTP/1.1\r\nhost: a\r\n" + b"".join(b"%b: %b\r\n" % field for field in fields)
        writer.write(head + b"\r\n")
        assert b" 502 " in await asyncio.wait_for(reader.readline(), 5)  # verified; there is no backend
        await keyring.command("k", KeyCommand.DEACTIVATE, By("test", "a test"))
        async with asyncio.timeout(5):
            with suppress(ConnectionResetError):
                while await reader.read(4096):
                    pass
        writer.close()
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(serving, 10)


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
