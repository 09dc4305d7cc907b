"""Fields that name a client: no alias, no copy, no second one, and none that the client wrote (BYPASSES.md A12-A20)."""

import pytest

from guard.wire import owned_fields
from tests.system.gateway import RunningGateway
from tests.system.key_holder import changed, signed_fields, wall_ms
from tests.system.raw_http import ask, chunked, message

pytestmark = pytest.mark.system

_HOST = [(b"Host", b"gateway.test")]
_OWN = (b"Guard-Key", b"Guard-Timestamp", b"Guard-Nonce", b"Guard-Signature")
_MINE = b"forged-by-the-client"


def _fields(gateway: RunningGateway, method: str = "POST", body: bytes = b"{}") -> list[tuple[bytes, bytes]]:
    return signed_fields(gateway.keys["trader"], method, "/v1/orders", body if method == "POST" else b"")


@pytest.mark.parametrize(
    "alias",
    [
        *(b"Guard_Key", b"GUARD_KEY", b"guard.key", b"Guard_Account", b"guard.account", b"Guard_Api_Key"),
        *(b"Guard~Key-Id", b"guard!scopes", b"X_Forwarded_For", b"x.real.ip", b"X_Real-IP", b"RateLimit_Policy"),
        *(b"Content_Digest", b"content.digest", b"Content_Length", b"Transfer_Encoding", b"transfer.encoding"),
    ],
)
def test_a12_an_alias_of_an_owned_field_reaches_nobody(gateway: RunningGateway, alias: bytes) -> None:
    """A12: backends that fold `_` and `.` to `-` would take it for the real one."""
    with gateway.nothing_forwarded():
        for fields in (_fields(gateway, "GET"), _HOST):
            content = message("GET", "/v1/orders" if len(fields) > 1 else "/open/x", [*fields, (alias, _MINE)])
            response = gateway.ask(content)
            assert (response.status, response.code) == (400, "request.malformed")


@pytest.mark.parametrize("alias", [b"X_API_KEY", b"x.api.key", b"X-API_Key", b"x-api.key", b"X~API~KEY"])
def test_a12_an_alias_of_a_policys_credential_reaches_nobody(gateway: RunningGateway, alias: bytes) -> None:
    """Alone and beside the real one. On a host where the name means nothing, it is a field like any other."""
    host, credential = (b"Host", b"other.test"), gateway.keys["bare"].credential
    for fields in ([(alias, credential)], [(b"X-API-Key", credential), (alias, credential)]):
        gateway.assert_refused(message("GET", "/v1/prices", [host, *fields]), 400, "request.malformed")
    for spelled in (b"X-API-KEY", b"x-api-key"):
        gateway.assert_forwarded(message("GET", "/v1/prices", [host, (spelled, credential)]))


_LISTED = [
    *(b"guard-account", b"Guard-Key", b"GUARD-SIGNATURE", b"guard-nonce", b"guard-timestamp", b"guard-api-key"),
    *(b"content-digest", b"Host", b"Content-Length", b"x-forwarded-for", b"forwarded", b"x-real-ip", b"guard_account"),
    *(b"guard.key.id", b"guard-scopes", b"guard-request-id", b"content_digest", b"Authorization", b"content-type"),
]


@pytest.mark.parametrize("name", _LISTED)
@pytest.mark.parametrize("form", [b"close, %b", b"%b", b"\t%b ,keep-alive", b"x,%b,,close", b"  CLOSE ,\t %b"])
def test_a13_connection_drops_no_field_that_counts(gateway: RunningGateway, form: bytes, name: bytes) -> None:
    """A13: hop by hop abuse, in any case and spacing."""
    fields = [*_fields(gateway), (b"Connection", form % name)]
    with gateway.nothing_forwarded():
        response = gateway.ask(message("POST", "/v1/orders", fields, b"{}"))
        assert (response.status, response.value(b"guard-reason")) == (400, b"request.malformed")


def test_a13_identity_arrives_whatever_connection_says(gateway: RunningGateway) -> None:
    """Two Connection lines, one of them owned: refused. Others: dropped as asked, and the identity is there."""
    lines = [(b"Connection", b"x-trace"), (b"Connection", b"guard-account")]
    gateway.assert_refused(message("POST", "/v1/orders", [*_fields(gateway), *lines], b"{}"), 400, "request.malformed")
    harmless = [(b"Connection", b"x-trace, close"), (b"X-Trace", b"7"), (b"X-Kept", b"8")]
    _, received = gateway.assert_forwarded(message("POST", "/v1/orders", [*_fields(gateway), *harmless], b"{}"))
    assert received.values(b"guard-account") == [b"acme"]
    assert received.values(b"guard-key-id") == [gateway.keys["trader"].id.encode()]
    assert (received.values(b"x-trace"), received.values(b"x-kept")) == ([], [b"8"])
    assert received.values(b"connection") == []


@pytest.mark.parametrize("name", [*_OWN, b"Content-Digest", b"Host", b"Content-Length", b"Content-Type"])
def test_a14_a_field_that_counts_comes_once(gateway: RunningGateway, name: bytes) -> None:
    """A14: a second one, equal or not, first or last. Never `first wins`, never `last wins`."""
    own = [*_fields(gateway), (b"Content-Type", b"application/json"), (b"Content-Length", b"2")]
    value = next(value for key, value in own if key == name)
    for other in (value, b"x" * 24 if name != b"Content-Length" else b"3"):
        for fields in ([*own, (name.lower(), other)], [(name.upper(), other), *own]):
            with gateway.nothing_forwarded():
                response = gateway.ask(message("POST", "/v1/orders", fields, b"{}"))
                assert (response.status, response.value(b"guard-reason")) == (400, b"request.malformed")


def test_a14_two_bare_keys_are_none(gateway: RunningGateway) -> None:
    good, other = gateway.keys["bare"].credential, b"someone.else"
    for pair in ((good, good), (good, other), (other, good), (good, b"")):
        fields = [*_HOST, *((b"Guard-Api-Key", value) for value in pair)]
        gateway.assert_refused(message("GET", "/v1/prices", fields), 400, "request.malformed")


def _owned() -> list[bytes]:
    """Every name in the registry, and one for every prefix in it."""
    prefixes = (*owned_fields.OWNED_PREFIXES, *owned_fields.DROPPED_PREFIXES)
    named = {*owned_fields.OWNED_NAMES, *owned_fields.DROPPED_NAMES, *owned_fields.TO_BACKEND, *owned_fields.TO_CLIENT}
    return sorted(named | {prefix + b"invented" for prefix in prefixes})


@pytest.mark.parametrize("name", _owned(), ids=bytes.decode)
def test_a15_no_field_of_ours_comes_from_a_client(gateway: RunningGateway, name: bytes) -> None:
    """A15: iterates the registry, so that a new name cannot be forgotten. In any case; signed and open routes."""
    for spelled in (name, name.upper(), name.title()):
        for target, fields in (("/v1/orders", _fields(gateway, "GET")), ("/open/x", _HOST)):
            _, received = gateway.assert_forwarded(message("GET", target, [*fields, (spelled, _MINE)]))
            assert _MINE not in received.head
            always = name in owned_fields.TO_BACKEND and name not in _ON_DEMAND
            expected = 1 if always and (target != "/open/x" or name not in _OF_A_KEY) else 0
            assert len(received.values(name)) == expected


_ON_DEMAND = (owned_fields.CLIENT_CERT, owned_fields.GUARD_ASSERTION)
_OF_A_KEY = (owned_fields.GUARD_ACCOUNT, owned_fields.GUARD_KEY_ID, owned_fields.GUARD_SCOPES)


@pytest.mark.parametrize("name", _owned(), ids=bytes.decode)
def test_a15_no_alias_of_a_dropped_field_arrives(gateway: RunningGateway, name: bytes) -> None:
    """In the spelling that CGI makes of it: dropped or refused, never believed."""
    alias = name.replace(b"-", b"_")
    mark = len(gateway.backend.record)
    response = gateway.ask(message("GET", "/open/x", [*_HOST, (alias, _MINE)]))
    seen = gateway.backend.since(mark)
    assert response.status in (200, 400)
    assert [_MINE in each.head for each in seen] == ([False] if response.status == 200 else [])


@pytest.mark.parametrize("byte", [b"\x00", b"\x01", b"\x08", b"\x0b", b"\x7f", b"\x80", b"\xa0", b"\xe9", b"\xff"])
def test_a16_bytes_that_are_no_text_reach_nobody(gateway: RunningGateway, byte: bytes) -> None:
    """A16: in names, in values, in credentials, in Host. Filters fail open on them."""
    with gateway.nothing_forwarded():
        for fields in (
            [*_HOST, (b"X-Name" + byte, b"1")],
            [*_HOST, (b"X-Value", b"a" + byte + b"b")],
            [*_HOST, (b"X-Value", byte)],
            [(b"Host", b"gateway.test" + byte)],
            changed(_fields(gateway, "GET"), b"Guard-Key", gateway.keys["trader"].id.encode() + byte),
            changed(_fields(gateway, "GET"), b"Guard-Nonce", b"n" * 22 + byte),
        ):
            response = gateway.ask(message("GET", "/v1/orders" if len(fields) > 2 else "/open/x", fields))
            assert response.status == 400, response.body
            assert response.value(b"guard-reason") == b"request.malformed"


@pytest.mark.parametrize("value", [b"a\rb", b"a\r", b"\ra", b"a\r\r"])
def test_a16_a_bare_carriage_return_reaches_nobody(gateway: RunningGateway, value: bytes) -> None:
    gateway.assert_refused(message("GET", "/open/x", [*_HOST, (b"X-Value", value)]), 400, "request.malformed")


def test_a17_credentials_in_two_places_are_none(gateway: RunningGateway) -> None:
    """A17: two schemes at once, though each is good; or a key in the field and another in the query or the body."""
    bare = (b"Guard-Api-Key", gateway.keys["bare"].credential)
    both = [*signed_fields(gateway.keys["reader"], "GET", "/v1/either"), bare]
    gateway.assert_refused(message("GET", "/v1/either", both), 400, "request.malformed")
    assert gateway.ask(message("GET", "/v1/either", both[:-1])).status == 200
    assert gateway.ask(message("GET", "/v1/either", [*_HOST, bare])).status == 200


def test_a17_a_key_in_the_query_or_the_body_is_no_key(gateway: RunningGateway) -> None:
    credential = gateway.keys["bare"].credential.decode()
    for name in ("Guard-Api-Key", "guard-api-key", "api_key", "apikey", "key", "access_token"):
        gateway.assert_refused(message("GET", f"/v1/prices?{name}={credential}", _HOST), 401, "auth.missing")
    query = "&".join(f"{name.decode()}={value.decode()}" for name, value in _fields(gateway, "GET")[1:])
    gateway.assert_refused(message("GET", f"/v1/orders?{query}", _HOST), 401, "auth.missing")


def test_a17_a_binance_signature_in_query_and_body_is_none(gateway: RunningGateway) -> None:
    """Parameters of the signature twice, in two places: 400, even if equal."""
    key = (b"X-MBX-APIKEY", gateway.keys["binance"].id.encode())
    form = (b"Content-Type", b"application/x-www-form-urlencoded")
    pair = b"timestamp=%d&signature=" % wall_ms() + b"0" * 64
    content = message("POST", b"/api/v3/order?" + pair, [*_HOST, key, form], pair)
    gateway.assert_refused(content, 400, "request.malformed")


def test_a18_no_user_agent_opens_a_route(gateway: RunningGateway) -> None:
    for agent in (b"kube-probe/1.29", b"ELB-HealthChecker/2.0", b"GoogleHC/1.0", b"Prometheus/2.0", b"curl/8", b""):
        fields = [*_HOST, (b"User-Agent", agent), (b"X-Health-Check", b"1"), (b"Purpose", b"prefetch")]
        gateway.assert_refused(message("GET", "/v1/orders", fields), 401, "auth.missing")
    with gateway.nothing_forwarded():
        for path in ("/livez", "/readyz", "/healthz", "/metrics"):
            assert gateway.ask(message("GET", path, _HOST)).status == 404


def test_a20_credentials_go_nowhere_but_to_the_gateway(gateway: RunningGateway) -> None:
    """A20: not to the backend on a good request, nor anywhere on a bad one."""
    _, received = gateway.assert_forwarded(message("POST", "/v1/orders", _fields(gateway), b"{}"))
    assert not received.names() & {name.lower() for name in _OWN}
    bare = [*_HOST, (b"Guard-Api-Key", gateway.keys["bare"].credential)]
    _, received = gateway.assert_forwarded(message("GET", "/v1/prices", bare))
    assert gateway.keys["bare"].secret not in received.head
    _, received = gateway.assert_forwarded(message("GET", "/open/x", bare))
    assert gateway.keys["bare"].secret not in received.head
    elsewhere = [(b"Host", b"other.test"), (b"X-API-Key", gateway.keys["bare"].credential)]
    _, received = gateway.assert_forwarded(message("GET", "/v1/prices", elsewhere))
    assert gateway.keys["bare"].secret not in received.head
    hop = [*_fields(gateway, "GET"), (b"Proxy-Authorization", b"Basic c2VjcmV0")]
    _, received = gateway.assert_forwarded(message("GET", "/v1/orders", hop))
    assert b"c2VjcmV0" not in received.head


def test_a_key_sent_as_a_trailer_is_no_key(gateway: RunningGateway) -> None:
    """In one segment and in two: fields after the body are no fields, whatever Trailer announces."""
    credential = b"Guard-Api-Key: " + gateway.keys["bare"].credential + b"\r\n"
    coded = [*_HOST, (b"Transfer-Encoding", b"chunked"), (b"Trailer", b"Guard-Api-Key")]
    gateway.assert_refused(message("GET", "/v1/prices", coded, chunked(b"x", trailers=credential)), 401, "auth.missing")
    late = b"".join(b"%b: %b\r\n" % pair for pair in _fields(gateway)[1:])
    with gateway.nothing_forwarded():
        response = ask(gateway.port, message("POST", "/v1/orders", coded[:2], chunked(b"{}", trailers=late)))
        assert (response.status, response.code) == (401, "auth.missing")


def test_a_trailer_reaches_no_backend(gateway: RunningGateway) -> None:
    """Neither as a trailer nor among the fields."""
    coded = [*_HOST, (b"Transfer-Encoding", b"chunked"), (b"Trailer", b"Guard-Account")]
    content = message("POST", "/open/upload", coded, chunked(b"x", trailers=b"Guard-Account: forged\r\nX-T: 1\r\n"))
    _, received = gateway.assert_forwarded(content)
    assert received.complete
    assert not received.names() & {b"guard-account", b"x-t", b"trailer"}
