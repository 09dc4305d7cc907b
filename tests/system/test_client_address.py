"""Who the client is: what it says of its own address counts for nothing (BYPASSES.md A21, A22; THREATS.md L2).

Clients come from addresses of 127.0.0.0/8. 127.0.0.9 is a proxy that the policy trusts.
"""

import time
from collections.abc import Iterator
from itertools import count

import pytest

from tests.system.gateway import RunningGateway, running_gateway
from tests.system.key_holder import changed, signed_fields
from tests.system.raw_http import Response, message
from tests.system.recording_backend import RecordingBackend

pytestmark = pytest.mark.system

_PROXY = "127.0.0.9"
_DENIED = "127.0.0.66"
_SAYS_SO = [
    *(b"X-Forwarded-For", b"X-Real-IP", b"Forwarded", b"True-Client-IP", b"CF-Connecting-IP", b"Client-IP"),
    *(b"X-Client-IP", b"X-Cluster-Client-IP", b"X-Forwarded", b"Forwarded-For", b"X-Remote-Addr", b"X-Forwarded-Host"),
]
_FRESH = (f"127.0.1.{number}" for number in count(1))


def _get(path: str = "/free", *fields: tuple[bytes, bytes]) -> bytes:
    return message("GET", path, [(b"Host", b"addressed.test"), *fields])


def _statuses(responses: list[Response]) -> list[int]:
    return [response.status for response in responses]


def test_a21_a_client_that_names_1000_addresses_is_still_one(gateway: RunningGateway) -> None:
    """A21, L2: no bucket by header value. The bucket holds 5, and refills at 5/s while the test runs."""
    source, started = next(_FRESH), time.monotonic()
    responses = []
    for number in range(60):
        name = _SAYS_SO[number % len(_SAYS_SO)]
        said = b"198.51.100.%d" % number
        value = b"for=" + said if name == b"Forwarded" else said
        responses.append(gateway.ask(_get("/open", (name, value)), source=source))
    assert _statuses(responses[:5]) == [200] * 5
    assert _statuses(responses).count(200) <= 5 + int((time.monotonic() - started) * 5) + 1
    assert {response.code for response in responses if response.status == 429} == {"limit.ip"}
    assert gateway.ask(_get("/open"), source=next(_FRESH)).status == 200, "and nobody else is counted with it"


@pytest.mark.parametrize("name", _SAYS_SO)
def test_a21_what_a_stranger_says_of_addresses_has_no_effect(gateway: RunningGateway, name: bytes) -> None:
    """Neither lets it in, nor keeps it out, nor appears in the log or at the backend."""
    source = next(_FRESH)
    for said in (b"192.0.2.7", b"198.51.100.7", b"127.0.0.9", b"rubbish", b"::1"):
        value = b"for=" + said if name == b"Forwarded" else said
        response, received = gateway.assert_forwarded(_get("/free", (name, value)), source=source)
        assert gateway.decision(response)["ip"] == source
        assert received.values(b"x-forwarded-for") == [source.encode()]
        assert said not in received.head.replace(b"Host: ", b"") or said == b"127.0.0.9"
        allowed = (b"X-Forwarded-For", b"203.0.113.1")
        gateway.assert_refused(
            _get("/free", allowed, (b"X-Real-IP", said)), 403, "abuse.address_denied", source=_DENIED
        )


def test_a_trusted_proxy_speaks_for_its_client(gateway: RunningGateway) -> None:
    """The right-most address that no trusted proxy has. What stands left of it was written by the client."""
    said = (b"X-Forwarded-For", b"192.0.2.1, 198.51.100.8, 127.0.0.9")
    response, received = gateway.assert_forwarded(_get("/free", said), source=_PROXY)
    assert gateway.decision(response)["ip"] == "198.51.100.8"
    assert received.values(b"x-forwarded-for") == [b"198.51.100.8"]
    denied = (b"X-Forwarded-For", b"198.51.100.8, 192.0.2.1")
    gateway.assert_refused(_get("/free", denied), 403, "abuse.address_denied", source=_PROXY)


@pytest.mark.parametrize(
    "said", [b"::ffff:192.0.2.1", b"::FFFF:c000:201", b"0:0:0:0:0:ffff:192.0.2.1", b"[::ffff:192.0.2.1]:80"]
)
def test_a22_an_ipv4_address_in_ipv6_clothes_is_that_ipv4_address(gateway: RunningGateway, said: bytes) -> None:
    denied = (b"X-Forwarded-For", said)
    response = gateway.assert_refused(_get("/free", denied), 403, "abuse.address_denied", source=_PROXY)
    assert gateway.decision(response)["ip"] == "192.0.2.1"


def test_a22_both_spellings_share_one_bucket(gateway: RunningGateway) -> None:
    started, spellings = time.monotonic(), (b"203.0.113.5", b"::ffff:203.0.113.5", b"::ffff:cb00:7105")
    responses = [
        gateway.ask(_get("/open", (b"X-Forwarded-For", spellings[number % 3])), source=_PROXY) for number in range(24)
    ]
    assert _statuses(responses[:5]) == [200] * 5
    assert _statuses(responses).count(200) <= 5 + int((time.monotonic() - started) * 5) + 1, "one bucket, not three"


@pytest.mark.parametrize(
    "said", [b"fe80::1%eth0", b"::1%1", b"192.0.2.1%25", b"1.2.3", b"0x7f.1", b"127.1", b"unknown"]
)
def test_a22_what_is_no_plain_address_chooses_nobody(gateway: RunningGateway, said: bytes) -> None:
    """A zone id, an octal or short form: the client is then the proxy that wrote it down."""
    response, _ = gateway.assert_forwarded(_get("/free", (b"X-Forwarded-For", said)), source=_PROXY)
    assert gateway.decision(response)["ip"] == _PROXY


def test_rubbish_signatures_are_counted_by_their_address_only(gateway: RunningGateway) -> None:
    """2 guesses, then 429; and the key that they named is not kept out by them."""
    source = next(_FRESH)
    fields = signed_fields(gateway.keys["trader"], "GET", "/signed", host=b"addressed.test")
    forged = message("GET", "/signed", changed(fields, b"Guard-Signature", b"A" * 43 + b"="))
    started = time.monotonic()
    statuses = [gateway.ask(forged, source=source).status for _ in range(10)]
    assert statuses[:2] == [401, 401]
    assert statuses.count(401) <= 2 + int((time.monotonic() - started) * 2) + 1
    assert gateway.ask(gateway.signed("GET", "/signed", host=b"addressed.test"), source=next(_FRESH)).status == 200


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory, backend: RecordingBackend) -> Iterator[RunningGateway]:
    """A gateway on an IPv6 socket, at which IPv4 clients arrive as ::ffff:127.0.0.x."""
    home = tmp_path_factory.mktemp("mapped")
    with running_gateway(home, backend, listen_host="::ffff:7f00:1") as running:
        yield running


def test_a22_a_peer_on_an_ipv6_socket_is_the_ipv4_client_that_it_is(mapped: RunningGateway) -> None:
    response, received = mapped.assert_forwarded(_get(), source="127.0.0.5")
    assert mapped.decision(response)["ip"] == "127.0.0.5"
    assert received.values(b"forwarded")[0].startswith(b"for=127.0.0.5;")
    mapped.assert_refused(_get(), 403, "abuse.address_denied", source=_DENIED)
    said = (b"X-Forwarded-For", b"192.0.2.1")
    mapped.assert_refused(_get("/free", said), 403, "abuse.address_denied", source=_PROXY)
