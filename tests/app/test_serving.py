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

from guard.app.keys import open_keyring
from guard.app.serving import _exempt, serve
from guard.core.lifecycle import KeyCommand
from guard.model.keys import KeyAlgorithm
from guard.model.names import UnixMs
from guard.service.key_orders import KeyOrder
from guard.service.keyring import By
from guard.settings import Settings
from guard.signing.signer import sign
from tests.app.test_gateway import rules
from tests.build import abuse, ban, policies, service
from tests.ports import free_port


async def _status(address: str, request: bytes) -> bytes:
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    line = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    await writer.wait_closed()
    return line


def _free() -> str:
    return f"127.0.0.1:{free_port()}"


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
    serving = asyncio.create_task(serve(settings, rules(tmp_path / "policies").current))
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
    serving = asyncio.create_task(serve(settings, rules(tmp_path / "policies").current))
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
        serving = asyncio.create_task(serve(settings, rules(tmp_path / "policies").current))
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


def test_nobody_is_cut_who_is_exempt_in_the_service_whose_ladder_banned_their_neighbours() -> None:
    book = policies(service(abuse=abuse(exempt_ips=("192.0.2.5",))), service(name="other", abuse=abuse()))
    banned = [ban(), ban(rule=None), ban(service="other"), ban(service="gone")]
    assert [_exempt(each, book) for each in banned] == [("192.0.2.5",), (), (), ()]
