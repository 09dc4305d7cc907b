import asyncio
import contextlib
import ssl
from pathlib import Path

import pytest

from guard.model.exchange import Sent
from guard.model.upstream_policy import UpstreamTls
from guard.upstream.answer import UpstreamFailure
from guard.upstream.connection import Connection
from guard.upstream.origin import Origin
from tests.upstream.asking import asking
from tests.upstream.build_allow import monotonic_ms
from tests.upstream.certificates import SERVER_NAME, Certificates
from tests.upstream.scripted_backend import OK, Peer, answering, scripted

ORDER = b"/v1/orders"


class _Home:
    def answered(self) -> None: ...

    def failed(self) -> None: ...

    def came_back(self, connection: Connection, *, clean: bool) -> None: ...

    def gone(self, connection: Connection) -> None: ...


@pytest.mark.parametrize(
    ("url", "host", "port", "authority"),
    [
        ("http://backend.test", "backend.test", 80, b"backend.test"),
        ("https://backend.test", "backend.test", 443, b"backend.test"),
        ("http://[::1]:9100", "::1", 9100, b"[::1]:9100"),
    ],
)
def test_url_names_host_port_and_authority(url: str, host: str, port: int, authority: bytes) -> None:
    origin = Origin(url, None)
    assert (origin._host, origin._port, origin.authority) == (host, port, authority)
    assert (origin._tls is not None) == url.startswith("https")


@pytest.mark.parametrize("tls", [None, UpstreamTls(), UpstreamTls(server_name="other.test")])
def test_certificates_are_always_verified_with_the_name_in_them_and_old_protocols_refused(
    tls: UpstreamTls | None,
) -> None:
    context = Origin("https://backend.test", tls)._tls
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


async def test_https_backend_whose_authority_the_policy_names_is_asked(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    tls = UpstreamTls(ca=certificates.file("ca.pem"))
    async with asking(answering(OK), certificates=certificates, tls=tls) as it:
        for _ in range(2):
            assert (await it.ask("POST", ORDER, b"{}")).body == b"hi"
        assert (it.backend.connections, len(it.backend.received)) == (1, 2)


async def test_https_backend_that_nobody_vouches_for_gets_nothing(tmp_path: Path) -> None:
    async with asking(answering(OK), certificates=Certificates(tmp_path)) as it:
        failure = await it.failure("POST")
        assert (failure.code, failure.sent) == ("upstream.unreachable", Sent.NO)
        assert it.backend.received == []


@pytest.mark.parametrize(("asked_for", "reached"), [(None, False), (SERVER_NAME, True), ("other.test", False)])
async def test_name_in_the_certificate_is_that_of_the_url_or_the_one_that_the_policy_says(
    tmp_path: Path, asked_for: str | None, *, reached: bool
) -> None:
    certificates = Certificates(tmp_path, SERVER_NAME)
    tls = UpstreamTls(ca=certificates.file("ca.pem"), server_name=asked_for)
    async with asking(answering(OK), certificates=certificates, tls=tls) as it:
        if reached:
            assert (await it.ask()).status == 200
        else:
            assert "certificate" in (await it.failure()).source
        assert len(it.backend.received) == reached


@pytest.mark.parametrize("ours", [True, False])
async def test_backend_that_asks_who_we_are_is_shown_our_certificate(tmp_path: Path, *, ours: bool) -> None:
    certificates = Certificates(tmp_path)
    tls = UpstreamTls(ca=certificates.file("ca.pem"))
    if ours:
        tls = UpstreamTls(
            ca=certificates.file("ca.pem"),
            certificate=certificates.file("client.pem"),
            key=certificates.file("client.key"),
        )
    names = []

    async def script(peer: Peer) -> None:
        await peer.request()
        names.append(peer.writer.get_extra_info("peercert")["subject"])
        await peer.send(OK)

    async with scripted(script, certificates.server(asks_for_ours=True)) as backend:
        origin = Origin(f"https://127.0.0.1:{backend.port}", tls)
        with contextlib.nullcontext() if ours else pytest.raises(UpstreamFailure):
            end_by_ms = monotonic_ms() + 2000
            connection = await origin.connect(_Home(), monotonic_ms, idle_ms=1000, patience_ms=2000)
            await connection.ask(
                "GET", b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"", respond_by_ms=end_by_ms, end_by_ms=end_by_ms
            )
        assert names == ([((("commonName", "client.test"),),)] if ours else [])


@pytest.mark.parametrize("server_name", [None, SERVER_NAME])
async def test_backend_is_told_the_name_that_is_verified(tmp_path: Path, server_name: str | None) -> None:
    certificates = Certificates(tmp_path, SERVER_NAME, "127.0.0.1")
    context = certificates.server()
    told: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: told.append(name)
    async with scripted(answering(OK), context) as backend:
        tls = UpstreamTls(ca=certificates.file("ca.pem"), server_name=server_name)
        origin = Origin(f"https://127.0.0.1:{backend.port}", tls)
        connection = await origin.connect(_Home(), monotonic_ms, idle_ms=1000, patience_ms=2000)
        connection.close()
    assert told == [server_name]  # an address is never told (RFC 6066 §3)


def test_encrypted_key_is_a_fault_and_nobody_is_asked_for_its_password(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    certificates.encrypt("client.key")
    tls = UpstreamTls(certificate=certificates.file("client.pem"), key=certificates.file("client.key"))
    with pytest.raises(ValueError, match="encrypted"):
        Origin("https://backend.test", tls)


async def test_connect_that_takes_too_long_is_unreachable() -> None:
    async with asking(answering(OK)) as it:
        # A listener whose queue is full would do, but kernels differ: the port accepts, and TLS never begins.
        silent = Origin(f"https://127.0.0.1:{it.backend.port}", None)
        with pytest.raises(UpstreamFailure) as failure:
            await silent.connect(_Home(), monotonic_ms, idle_ms=1000, patience_ms=30)
        assert (failure.value.code, failure.value.sent) == ("upstream.unreachable", Sent.NO)
        assert failure.value.source == "no connection in time"


async def test_connection_that_is_lost_before_anyone_hears_of_it_is_unreachable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Lost:
        closing = True

    loop = asyncio.get_running_loop()

    class Loop:
        time, call_at, call_soon = loop.time, loop.call_at, loop.call_soon

        async def create_connection(self, *_: object, **__: object) -> tuple[None, Lost]:
            return None, Lost()

    with monkeypatch.context() as patch:
        patch.setattr("guard.upstream.origin.asyncio.get_running_loop", Loop)
        with pytest.raises(UpstreamFailure) as failure:
            await Origin("http://127.0.0.1:1", None).connect(_Home(), monotonic_ms, idle_ms=1000, patience_ms=1000)
    assert (failure.value.code, failure.value.sent) == ("upstream.unreachable", Sent.NO)
