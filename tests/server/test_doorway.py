"""What comes before the first request: the PROXY header of a trusted peer, and the TLS handshake."""

import asyncio
import socket
import ssl
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from guard.server.binding import Binding
from guard.server.endpoint import Internet
from guard.server.limits import Limits
from guard.server.listener import Shared
from guard.server.refusal import Refused, Stage
from guard.server.spread import Spread, nobody
from tests.server.apps import Echo, answering
from tests.server.certificates import Authority
from tests.server.clients import GET, LAST, QUICK, everything, listening, opened
from tests.server.in_memory import until

SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
TCP4 = SIGNATURE + bytes.fromhex("2111000c c0000201 c6336402 c001 01bb".replace(" ", ""))
LOCAL = SIGNATURE + bytes.fromhex("20000000")
HERE = ("127.0.0.0/8",)


def _stages(refused: list[Refused]) -> list[tuple[Stage, str, int | None]]:
    return [(told.stage, told.code, told.status) for told in refused]


async def test_over_tls_the_application_sees_https_and_the_handshake(tmp_path: Path) -> None:
    app, authority = Echo(), Authority(tmp_path)
    tls = authority.tls()
    async with listening(app, tls=tls) as (listener, _):
        context = authority.trusted()
        context.set_alpn_protocols(["h2", "http/1.1"])
        reader, writer = await opened(listener.port, context)
        writer.write(LAST)
        assert (await asyncio.wait_for(reader.read(), 5)).endswith(b"/x ")
        session = writer.get_extra_info("ssl_object")
        assert session.selected_alpn_protocol() == "http/1.1"
        assert session.version() == "TLSv1.3"
        writer.close()
    scope = app.scopes[0]
    assert scope["scheme"] == "https"
    assert scope["client"][0] == "127.0.0.1"
    assert scope["extensions"]["tls"] == {
        "server_cert": tls.cert_file.read_text(),
        "client_cert_chain": [],
        "client_cert_name": None,
        "client_cert_error": None,
        "tls_version": 0x0304,
        "cipher_suite": 0x1302,
    }
    assert "client_certificate" not in scope["extensions"]["guard"]


async def test_a_client_certificate_is_handed_over_once_it_is_verified(tmp_path: Path) -> None:
    app, authority = Echo(), Authority(tmp_path)
    pair = authority.pair("bot")
    async with listening(app, tls=authority.tls(client_ca_file=authority.file)) as (listener, refused):
        assert b" 200 " in await everything(listener.port, LAST, authority.trusted())
        assert b" 200 " in await everything(listener.port, LAST, authority.trusted(pair))
        stranger = Authority(tmp_path, "stranger").pair("bot2")
        assert await everything(listener.port, LAST, authority.trusted(stranger)) == b""
        await until(lambda: len(refused) == 1)
    without, with_one = (scope["extensions"] for scope in app.scopes)
    assert "client_certificate" not in without["guard"]
    certificate = x509.load_pem_x509_certificate(pair[0].read_bytes())
    assert x509.load_der_x509_certificate(with_one["guard"]["client_certificate"]) == certificate
    assert with_one["tls"]["client_cert_name"] == "CN=bot,O=A\\, B"
    assert with_one["tls"]["client_cert_chain"] == [pair[0].read_text()]
    assert _stages(refused) == [(Stage.TLS, "request.malformed", None)]


async def test_where_a_client_certificate_is_required_there_is_no_answer_without(tmp_path: Path) -> None:
    app, authority = Echo(), Authority(tmp_path)
    tls = authority.tls(client_ca_file=authority.file, client_certs="required")
    async with listening(app, tls=tls) as (listener, _):
        assert await everything(listener.port, LAST, authority.trusted()) == b""
        assert app.scopes == []
        assert b" 200 " in await everything(listener.port, LAST, authority.trusted(authority.pair("bot")))


async def test_a_client_without_tls_gets_no_answer(tmp_path: Path) -> None:
    app = Echo()
    async with listening(app, tls=Authority(tmp_path).tls()) as (listener, refused):
        assert b"HTTP" not in await everything(listener.port, GET)
        await until(lambda: len(refused) == 1)
        assert (_stages(refused), app.scopes) == ([(Stage.TLS, "request.malformed", None)], [])


async def test_a_handshake_must_be_done_in_time(tmp_path: Path) -> None:
    async with listening(Echo(), QUICK, tls=Authority(tmp_path).tls()) as (listener, refused):
        mute = [everything(listener.port, content) for content in (b"", b"\x16\x03\x01\x02\x00\x01")]
        assert await asyncio.gather(*mute) == [b"", b""]
        await until(lambda: len(refused) == 2)
        assert {*_stages(refused)} == {(Stage.TLS, "request.timeout", None)}


async def test_the_next_handshake_uses_the_newest_certificate_and_others_go_on(tmp_path: Path) -> None:
    app, authority = Echo(), Authority(tmp_path)
    tls = authority.tls()
    async with listening(app, tls=tls) as (listener, _):
        reader, writer = await opened(listener.port, authority.trusted())
        authority.tls()
        await asyncio.sleep(2.2)  # the files are looked at each second
        assert b" 200 " in await everything(listener.port, LAST, authority.trusted())
        writer.write(LAST)
        assert b" 200 " in await asyncio.wait_for(reader.read(), 5)
        writer.close()
    newer, older = (scope["extensions"]["tls"]["server_cert"] for scope in app.scopes)
    assert newer == tls.cert_file.read_text() != older


async def test_over_tls_what_is_in_flight_is_finished_and_what_is_idle_ended(tmp_path: Path) -> None:
    app, authority = Echo(), Authority(tmp_path)
    app.answer_after.clear()
    async with listening(app, tls=authority.tls()) as (listener, _):
        context = authority.trusted()
        idle, idle_writer = await opened(listener.port, context)
        asking = asyncio.create_task(everything(listener.port, GET, context))
        await asyncio.wait_for(app.asked.wait(), 5)
        stopping = asyncio.create_task(listener.stop())
        assert await asyncio.wait_for(idle.read(), 5) == b""
        app.answer_after.set()
        assert b"connection: close\r\n\r\n/x " in await asking
        await asyncio.wait_for(stopping, 5)
        idle_writer.close()


async def test_over_tls_a_client_that_still_sends_reads_its_refusal(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with listening(answering(b"no", status=413), tls=authority.tls()) as (listener, _):
        reader, writer = await opened(listener.port, authority.trusted())
        writer.write(b"POST / HTTP/1.1\r\nContent-Length: 900000\r\n\r\n")
        for _ in range(9):
            writer.write(b"x" * 100_000)
            await asyncio.sleep(0.002)
        assert await asyncio.wait_for(reader.readline(), 5) == b"HTTP/1.1 413 Request Entity Too Large\r\n"
        assert b"no" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\nno"), 5)
        writer.close()


async def test_over_tls_the_answer_is_whole_and_who_does_not_read_it_is_dropped(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    app = answering(*[b"x" * 1_000_000] * 20, fields=[(b"connection", b"close")])
    tls = authority.tls()
    async with listening(app, tls=tls) as (listener, _):
        assert (await everything(listener.port, GET, authority.trusted())).count(b"x") == 20_000_000
    async with listening(app, QUICK, tls=tls) as (listener, _):
        _, writer = await opened(listener.port, authority.trusted())
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(GET)
        await until(lambda: listener.connections == 1)
        await until(lambda: listener.connections == 0)
        writer.close()


async def test_over_tls_connections_are_aborted_whatever_they_do(tmp_path: Path) -> None:
    app, authority = Echo(), Authority(tmp_path)
    async with listening(app, tls=authority.tls()) as (listener, _):
        post = b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\na"
        asking = [asyncio.create_task(everything(listener.port, c, authority.trusted())) for c in (b"", GET[:5], post)]
        await until(lambda: listener.connections == 3 and len(app.scopes) == 1)
        assert listener.abort(address="127.0.0.1") == 3
        assert await asyncio.gather(*asking) == [b""] * 3
        await until(lambda: app.broken == 1)


@pytest.mark.parametrize("over_tls", [False, True])
async def test_a_trusted_proxy_says_who_its_client_is(tmp_path: Path, *, over_tls: bool) -> None:
    app, authority = Echo(), Authority(tmp_path)
    tls, context = (authority.tls(), authority.trusted()) if over_tls else (None, None)
    async with listening(app, proxy_from=HERE, tls=tls) as (listener, refused):
        assert b" 200 " in await everything(listener.port, LAST, context, before=TCP4)
        assert b" 200 " in await everything(listener.port, LAST, context, before=LOCAL)
        assert refused == []
    told, local = app.scopes
    assert (told["client"], told["server"]) == (("192.0.2.1", 49153), ("198.51.100.2", 443))
    assert local["client"][0] == "127.0.0.1"
    assert local["server"] == ("127.0.0.1", listener.port)


async def test_the_header_may_come_in_pieces_and_the_request_with_it() -> None:
    app = Echo()
    async with listening(app, proxy_from=HERE) as (listener, _):
        assert b" 200 " in await everything(listener.port, TCP4 + LAST)
        reader, writer = await opened(listener.port)
        for byte in TCP4 + LAST:
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert b" 200 " in await asyncio.wait_for(reader.read(), 5)
        writer.close()
    assert [scope["client"] for scope in app.scopes] == [("192.0.2.1", 49153)] * 2


@pytest.mark.parametrize(
    "content",
    [
        GET,
        b"PROXY TCP4 192.0.2.1 198.51.100.2 49153 443\r\n" + GET,
        SIGNATURE + bytes.fromhex("21ffffff") + GET,
        SIGNATURE + bytes.fromhex("21000000") + GET,
        SIGNATURE + bytes.fromhex("31110000") + GET,
        SIGNATURE + bytes.fromhex("2111000b") + b"x" * 11 + GET,
        TCP4 + TCP4 + GET,
    ],
)
async def test_a_trusted_peer_without_a_good_header_gets_nothing(content: bytes) -> None:
    app = Echo()
    async with listening(app, QUICK, proxy_from=HERE) as (listener, refused):
        answer = await everything(listener.port, content)
        await until(lambda: len(refused) == 1)
        assert app.scopes == []
    if content.startswith(TCP4):  # the second one is no head
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert (refused[0].stage, refused[0].address) == (Stage.HEAD, "192.0.2.1")
    else:
        assert answer == b""
        assert (refused[0].stage, refused[0].status, refused[0].address) == (Stage.PROXY, None, "127.0.0.1")
        assert refused[0].detail


@pytest.mark.parametrize("content", [b"", SIGNATURE, TCP4[:-1]])
async def test_the_header_must_come_in_time_and_whole(content: bytes) -> None:
    async with listening(Echo(), QUICK, proxy_from=HERE) as (listener, refused):
        assert await everything(listener.port, content) == b""
        await until(lambda: len(refused) == 1)
        assert _stages(refused) == [(Stage.PROXY, "request.timeout", None)]
        with socket.create_connection(("127.0.0.1", listener.port)) as client:
            client.sendall(content)
        assert b" 200 " in await everything(listener.port, LOCAL + LAST)
        await until(lambda: len(refused) == (2 if content else 1))  # looking whether we are there is no fault


async def test_from_anybody_else_the_header_is_a_malformed_request() -> None:
    app = Echo()
    async with listening(app, proxy_from=("192.0.2.0/24", "unix")) as (listener, refused):
        assert (await everything(listener.port, TCP4 + GET)).startswith(b"HTTP/1.1 400 ")
        assert app.scopes == []
        assert b" 200 " in await everything(listener.port, LAST)
        assert app.scopes[0]["client"][0] == "127.0.0.1"
    assert _stages(refused) == [(Stage.HEAD, "request.malformed", 400)]


@pytest.mark.parametrize("limits", [Limits(connections_max=1), Limits(connections_per_address_max=1)])
async def test_connections_beyond_the_most_are_closed_before_the_handshake(tmp_path: Path, limits: Limits) -> None:
    authority = Authority(tmp_path)
    async with listening(Echo(), limits, tls=authority.tls()) as (listener, refused):
        _, first = await opened(listener.port, authority.trusted())
        await until(lambda: listener.connections == 1)
        with pytest.raises((ConnectionError, ssl.SSLError)):
            await opened(listener.port, authority.trusted())
        assert _stages(refused) == [(Stage.CONNECTION, "gateway.overloaded", None)]
        first.close()
        await until(lambda: not listener.crowd.inside)
        assert b" 200 " in await everything(listener.port, LAST, authority.trusted())


async def test_over_tls_addresses_are_counted_as_the_proxy_tells_them_before_the_handshake(tmp_path: Path) -> None:
    limits, authority = Limits(connections_per_address_max=1, drain_idle_ms=50), Authority(tmp_path)
    others = [TCP4.replace(bytes([192, 0, 2, 1]), bytes([192, 0, 2, number])) for number in (2, 3, 4)]
    async with listening(Echo(), limits, tls=authority.tls(), proxy_from=HERE) as (listener, refused):
        _, first = await opened(listener.port, authority.trusted(), before=TCP4)
        with pytest.raises((ConnectionError, ssl.SSLError)):
            await opened(listener.port, authority.trusted(), before=TCP4)
        asking = [everything(listener.port, LAST, authority.trusted(), before=other) for other in others]
        assert all(b" 200 " in answer for answer in await asyncio.gather(*asking))
        assert _stages(refused) == [(Stage.CONNECTION, "gateway.overloaded", None)]
        assert refused[0].address == "192.0.2.1"
        first.close()


async def test_connections_of_a_proxy_that_have_not_said_whose_they_are_do_not_count_for_it() -> None:
    limits = Limits(connections_per_address_max=1, handshake_ms=300, drain_idle_ms=50)
    async with listening(Echo(), limits, proxy_from=HERE) as (listener, refused):
        mute = [asyncio.create_task(everything(listener.port, b"")) for _ in range(3)]
        await until(lambda: listener.crowd.inside == 3)
        assert b" 200 " in await everything(listener.port, TCP4 + LAST)
        assert refused == []
        await asyncio.gather(*mute)


async def test_addresses_are_counted_as_the_proxy_tells_them() -> None:
    limits = Limits(connections_per_address_max=1, drain_idle_ms=50)
    other = TCP4.replace(bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2]))
    async with listening(Echo(), limits, proxy_from=HERE) as (listener, _):
        _, first = await opened(listener.port, before=TCP4)
        await until(lambda: listener.connections == 1)
        assert b" 503 " in await everything(listener.port, b"", before=TCP4)
        assert b" 200 " in await everything(listener.port, LAST, before=other)
        first.close()


async def test_stopping_gives_up_whoever_has_not_come_through(tmp_path: Path) -> None:
    async with listening(Echo(), tls=Authority(tmp_path).tls(), grace_s=0) as (listener, refused):
        mute = asyncio.create_task(everything(listener.port, b""))
        await until(lambda: bool(listener.crowd.inside))
        await asyncio.wait_for(listener.stop(), 5)
        assert (await mute, refused) == (b"", [])


class _Exhausted:
    """A listening socket of a process that has no descriptor left, once."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self.failed = 0

    def fileno(self) -> int:
        return self._listening.fileno()

    def accept(self) -> Any:
        self.failed += 1
        if self.failed > 2:
            return self._listening.accept()
        raise OSError(24, "Too many open files") if self.failed == 1 else ConnectionAbortedError


async def test_an_accept_that_fails_is_tried_again() -> None:
    async with listening(Echo(), proxy_from=HERE) as (listener, _):
        doorway, bound = listener._doorway, listener._binding.socket
        doorway.close(bound)
        exhausted = _Exhausted(bound)
        doorway.open(exhausted)  # type: ignore[arg-type]
        for _ in range(2):
            assert b" 200 " in await everything(listener.port, LOCAL + LAST)
        assert exhausted.failed > 2


def test_the_certificates_of_these_tests_are_verified(tmp_path: Path) -> None:
    assert Authority(tmp_path).trusted().verify_mode is ssl.CERT_REQUIRED


def _memory(processes: int) -> memoryview:
    return memoryview(bytearray(nobody(processes)))


async def test_listeners_that_share_a_socket_get_about_the_same_number_of_clients() -> None:
    memory = _memory(2)
    held = memory.cast("q")
    with closing(Binding(Internet("127.0.0.1", 0))) as first:
        shared = [Shared(first.socket.dup(), Spread(memory, number)) for number in range(2)]
        async with (
            listening(Echo(), shared=shared[0]) as (one, _),
            listening(Echo(), shared=shared[1]) as (other, _),
            AsyncExitStack() as stack,
        ):
            for number in range(1, 13):
                _, writer = await opened(first.port)
                stack.callback(writer.close)
                await until(lambda: sum(held) == number)  # noqa: B023  # told a turn after they are in
            # Two apart, not one: whoever is ahead takes a client at the end of its pause, should it be there first.
            assert abs(one.connections - other.connections) <= 2
        assert memory.tobytes() == nobody(2), "whoever has stopped is waited for no more"


async def test_a_listener_that_hangs_keeps_no_client_from_the_others() -> None:
    memory = _memory(2)
    Spread(memory, 1).hold(0)
    with closing(Binding(Internet("127.0.0.1", 0))) as first:
        async with (
            listening(Echo(), shared=Shared(first.socket.dup(), Spread(memory, 0))) as (one, _),
            AsyncExitStack() as stack,
        ):
            for _ in range(40):
                _, writer = await opened(first.port)
                stack.callback(writer.close)
            await until(lambda: memory.cast("q")[0] == 40)  # told a turn after they are in
            assert one.connections == 40
