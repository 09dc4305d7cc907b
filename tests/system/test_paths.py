"""One path: what is matched, what is signed and what is forwarded are the same bytes (BYPASSES.md A02-A11)."""

import random

import pytest

from tests.system.gateway import RunningGateway
from tests.system.key_holder import changed, signed_fields
from tests.system.raw_http import Connection, message

pytestmark = pytest.mark.system

_HOST = [(b"Host", b"gateway.test")]

_TWO_READINGS = [
    *(b"/open/../admin", b"/open/./x", b"/open/..", b"/open/.", b"/../admin", b"/./admin"),
    *(b"/open/%2e%2e/admin", b"/open/%2E./admin", b"/open/.%2e/admin", b"/open/..%2fadmin", b"/open/..%5cadmin"),
    *(b"/open%2f..%2fadmin", b"/open/%252e%252e/admin", b"/open/..%252fadmin", b"/open/%c0%ae%c0%ae/admin"),
    *(b"//admin", b"/open//admin", b"/open/x//", b"///", b"/\\admin", b"/open/..\\admin", b"\\admin"),
    *(b"/admin;x", b"/open/..;/admin", b"/open/x;y=1/z", b"/%3bx/admin", b"/open/a%3Bb"),
    *(b"/open/%zz", b"/open/%", b"/open/%1", b"/open/%u0041", b"/open/%00", b"/open/%0d%0ax", b"/open/%7f"),
    *(b"/open/%41dmin", b"/%61dmin", b"/open/%7e", b"/open/%3fx", b"/open/%ef%bc%8e%ef%bc%8e/admin"),
    *(b"/open/%20", b"/open/x%20", b"/open/%e2%84%aa", b"/open/%ff%fe", b"/open/a|b", b'/open/a"b', b"/open/{x}"),
    *(b"/open/a<b", b"/open/a^b", b"/open/a`b", b"/open/[x]"),
]


@pytest.mark.parametrize("target", _TWO_READINGS)
def test_a03_a_path_that_two_programs_read_in_two_ways_reaches_nobody(gateway: RunningGateway, target: bytes) -> None:
    """A03, A06: whatever a backend might decode or normalise into another path is 400, on open and signed routes."""
    with gateway.nothing_forwarded():
        for content in (message("GET", target, _HOST), gateway.signed("GET", target)):
            response = gateway.ask(content)
            assert response.status == 400, response.body
            assert response.code in ("request.bad_path", "request.malformed")
            assert response.value(b"guard-sent") == b"no"


@pytest.mark.parametrize(
    "target", [b"/open/x#y", b"/open#/admin", b"/open/x?y#z", b"/open/%23", b"/open/x%23/admin", b"#", b"/#"]
)
def test_a05_a_fragment_reaches_nobody(gateway: RunningGateway, target: bytes) -> None:
    with gateway.nothing_forwarded():
        response = gateway.ask(message("GET", target, _HOST))
        assert response.status == 400
        assert response.value(b"guard-sent") == b"no"


@pytest.mark.parametrize(
    "target",
    [
        *(b"orders", b"v1/time", b"*", b"?x", b"http://gateway.test/v1/time", b"http://other.test/v1/time"),
        *(b"https://gateway.test/open/x", b"gateway.test:80", b"//gateway.test/open/x", b"http:/open/x"),
        *(b"HTTP://user@gateway.test/open/x", b"/", b"ftp://gateway.test/open/x", b"", b"http://gateway.test"),
    ],
)
def test_a09_no_form_but_the_origin_form_passes(gateway: RunningGateway, target: bytes) -> None:
    """A09, H4: absolute-form, authority-form, asterisk-form and none at all. `/` is well-formed, and no route."""
    with gateway.nothing_forwarded():
        for method in ("GET", "OPTIONS"):
            response = gateway.ask(message(method, target, _HOST))
            assert response.status == (404 if target == b"/" else 400), response.body


def test_a02_what_is_matched_is_what_is_forwarded(gateway: RunningGateway) -> None:
    """A02: 400 targets put together at random. Either refused, or the backend has the very bytes, under that route."""
    draw = random.Random(20261122)  # noqa: S311  # a seed, so that a failure can be repeated
    parts = [
        "open",
        "v1",
        "files",
        "admin",
        "orders",
        "x",
        "..",
        ".",
        "",
        "%2e",
        "%2F",
        "%41",
        ";",
        "a;b",
        "%c3%a9",
        "~",
    ]
    queries = ["", "", "", "?", "?a=1", "?a=1&a=2", "?/../admin", "?%2e%2e", "?x=/public/health", "?a;b", "?a=%zz"]
    forwarded = 0
    with Connection(gateway.port) as connection:
        for _ in range(400):
            segments = [draw.choice(parts) for _ in range(draw.randint(1, 4))]
            target = ("/" + "/".join(["open", *segments]) + draw.choice(queries)).encode()
            mark = len(gateway.backend.record)
            response = connection.ask(message("GET", target, _HOST))
            seen = gateway.backend.since(mark)
            if response.status == 200:
                assert [each.target for each in seen] == [target]
                assert not {".", "..", ""} & set(seen[0].path.split("/")[1:])
                forwarded += 1
            else:
                assert response.status in (400, 404), (target, response.body)
                assert seen == []
    assert 30 < forwarded < 370, "the draw tests both sides"


def test_a02_the_signature_is_over_the_bytes_that_are_forwarded(gateway: RunningGateway) -> None:
    """An equal path in another spelling was not signed, although both spellings are allowed."""
    fields = signed_fields(gateway.keys["trader"], "GET", "/v1/files/caf%C3%A9")
    gateway.assert_refused(message("GET", "/v1/files/caf%c3%a9", fields), 401, "auth.invalid")
    _, received = gateway.assert_forwarded(message("GET", "/v1/files/caf%C3%A9", fields))
    assert received.target == b"/v1/files/caf%C3%A9"


def test_a03_no_other_case_gets_a_laxer_policy(gateway: RunningGateway) -> None:
    for target in ("/V1/orders/7", "/v1/ORDERS/7", "/Admin", "/OPEN/x", "/v1/Canary"):
        gateway.assert_refused(gateway.signed("GET", target), 404, "route.unknown")
        gateway.assert_refused(message("GET", target, _HOST), 404, "route.unknown")


@pytest.mark.parametrize("character", list("-._~!$&'()*+,=:@"))
def test_a07_every_pchar_but_the_semicolon_fits_a_variable_segment(gateway: RunningGateway, character: str) -> None:
    target = f"/v1/orders/a{character}b"
    assert gateway.assert_forwarded(gateway.signed("GET", target))[1].target == target.encode()
    gateway.assert_refused(gateway.signed("DELETE", target, key="reader"), 403, "authz.scope")


@pytest.mark.parametrize(
    "target", ["/v1/orders?x=/public/health", "/v1/orders?/public/health", "/v1/orders?a=/v1/time", "/admin?/open/x"]
)
def test_a08_the_query_chooses_no_route(gateway: RunningGateway, target: str) -> None:
    gateway.assert_refused(message("GET", target, _HOST), 401, "auth.missing")


@pytest.mark.parametrize(
    "target",
    ["/nowhere", "/a/b/c/d/e/f/g/h/i/j/k/l", "/v1", "/v1/", "/v1/orders/", "/v1/orders/1/2", "/public", "/open"],
)
def test_a10_a_route_that_no_policy_knows_is_denied(gateway: RunningGateway, target: str) -> None:
    """Also to a key that may do everything, and the log says why."""
    response = gateway.assert_refused(gateway.signed("GET", target), 404, "route.unknown")
    line = gateway.decision(response)
    assert (line["decision"], line["reason"], line.get("route")) == ("deny", "route.unknown", None)


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PATCH", "PROPFIND", "PURGE", "MKCOL", "M-SEARCH", "SUBSCRIBE"])
def test_a11_a_method_without_a_policy_is_denied(gateway: RunningGateway, method: str) -> None:
    """A11: there is no preflight that skips the policy. Neither open nor signed routes take it."""
    origin = [(b"Origin", b"https://evil.test"), (b"Access-Control-Request-Method", b"POST")]
    gateway.assert_refused(message(method, "/v1/orders", [*_HOST, *origin]), 405, "route.method")
    gateway.assert_refused(message(method, "/v1/time", [*_HOST, *origin]), 405, "route.method")
    response = gateway.assert_refused(gateway.signed(method, "/v1/orders"), 405, "route.method")
    assert response.value(b"allow") == b"GET, HEAD, POST"


@pytest.mark.parametrize("method", ["BREW", "get", "Get", "GETX", "G\x01T", "(GET)", "PRI", "", "GET\x00"])
def test_a11_a_method_that_does_not_exist_reaches_nobody(gateway: RunningGateway, method: str) -> None:
    with gateway.nothing_forwarded():
        assert gateway.ask(message(method, "/open/x", _HOST)).status in (400, 405)


def test_a11_connect_opens_no_tunnel(gateway: RunningGateway) -> None:
    with gateway.nothing_forwarded():
        for target in (f"127.0.0.1:{gateway.backend.port}", "/open/x", "gateway.test:80"):
            response = gateway.ask(message("CONNECT", target, _HOST))
            assert response.status in (400, 405)


def test_a11_head_needs_a_signature_of_its_own(gateway: RunningGateway) -> None:
    """HEAD has the policy of GET, and is charged and signed like any other method."""
    fields = signed_fields(gateway.keys["trader"], "GET", "/v1/orders")
    with gateway.nothing_forwarded():
        assert gateway.ask(message("HEAD", "/v1/orders", fields)).status == 401
        assert gateway.ask(message("HEAD", "/v1/orders", changed(fields, b"Guard-Signature", None))).status == 401
        assert gateway.ask(message("HEAD", "/v1/orders", _HOST)).status == 401
        assert gateway.ask(gateway.signed("HEAD", "/admin")).status == 403
    assert gateway.assert_forwarded(gateway.signed("HEAD", "/v1/orders"))[1].method == "HEAD"
