"""What was signed is what passes, and nothing else (BYPASSES.md A25-A28, A31, A32; THREATS.md S1-S6, S8, C1, C2)."""

import hashlib
import hmac
from base64 import b64encode
from typing import Any

import pytest

from tests.system.gateway import RunningGateway, eventually
from tests.system.key_holder import changed, new_nonce, signed_fields, wall_ms
from tests.system.raw_http import Connection, chunked, message

pytestmark = pytest.mark.system

_BODY = b'{"side":"buy","qty":1}'


def _fields(
    gateway: RunningGateway, method: str = "POST", target: str = "/v1/orders", body: bytes = _BODY, **how: Any
) -> list[tuple[bytes, bytes]]:
    return signed_fields(gateway.keys["trader"], method, target, body, **how)


def _digest(body: bytes) -> bytes:
    return b"sha-256=:" + b64encode(hashlib.sha256(body).digest()) + b":"


@pytest.mark.parametrize(
    "name", [b"Date", b"X-Date", b"X-Timestamp", b"X-Aux-Date", b"X-Guard-Timestamp", b"Timestamp"]
)
def test_a25_only_the_signed_time_is_read(gateway: RunningGateway, name: bytes) -> None:
    """A25: an old signature beside a fresh time in another field stays old."""
    old = _fields(gateway, at=wall_ms() - 60_000)
    fresh = (name, b"%d" % wall_ms())
    gateway.assert_refused(message("POST", "/v1/orders", [fresh, *old, fresh], _BODY), 401, "auth.stale")


def test_a25_a_time_put_over_the_signed_one_does_not_verify(gateway: RunningGateway) -> None:
    old = _fields(gateway, at=wall_ms() - 60_000)
    fields = changed(old, b"Guard-Timestamp", b"%d" % wall_ms())
    gateway.assert_refused(message("POST", "/v1/orders", fields, _BODY), 401, "auth.invalid")


@pytest.mark.parametrize(
    ("method", "target"),
    [
        *(("DELETE", "/v1/orders/7"), ("HEAD", "/v1/orders/7?b=2&a=1"), ("PUT", "/v1/orders/7?b=2&a=1")),
        *(("GET", "/v1/orders/8?b=2&a=1"), ("GET", "/v1/orders?b=2&a=1"), ("GET", "/v1/files/7?b=2&a=1")),
        *(("GET", "/v1/orders/7"), ("GET", "/v1/orders/7?"), ("GET", "/v1/orders/7?a=1&b=2")),
        *(("GET", "/v1/orders/7?b=2&a=1&"), ("GET", "/v1/orders/7?b=2&a=1&c=3"), ("GET", "/v1/orders/7?b=2;a=1")),
        *(("GET", "/v1/orders/7?B=2&a=1"), ("GET", "/v1/orders/7?b=%32&a=1"), ("GET", "/v1/orders/7??b=2&a=1")),
    ],
)
def test_a26_a_signature_moves_to_no_other_method_path_or_query(
    gateway: RunningGateway, method: str, target: str
) -> None:
    """A26, S2, S3. What was signed is GET /v1/orders/7?b=2&a=1."""
    fields = _fields(gateway, "GET", "/v1/orders/7?b=2&a=1", b"")
    with gateway.nothing_forwarded():
        response = gateway.ask(message(method, target, fields))
        assert (response.status, response.value(b"guard-reason")) == (401, b"auth.invalid")


def test_a26_a_signature_moves_to_no_other_authority(gateway: RunningGateway) -> None:
    """A26, S4: both are served here, to the same backend; the authority is signed as sent."""
    fields = _fields(gateway, "GET", "/v1/orders", b"")
    for host, status, code in (
        (b"other.test", 401, "auth.invalid"),
        (b"Gateway.test", 401, "auth.invalid"),
        (b"gateway.test.", 401, "auth.invalid"),
        (b"gateway.test:80", 401, "auth.invalid"),
        (b"nowhere.test", 421, "request.misdirected"),
    ):
        gateway.assert_refused(message("GET", "/v1/orders", changed(fields, b"Host", host)), status, code)
    absolute = message("GET", b"http://other.test/v1/orders", fields)
    gateway.assert_refused(absolute, 400, "request.malformed")


def test_a26_a_signature_moves_to_no_other_key_or_account(gateway: RunningGateway) -> None:
    for name in ("rival", "reader", "ed25519", "bare"):
        fields = changed(_fields(gateway), b"Guard-Key", gateway.keys[name].id.encode())
        gateway.assert_refused(message("POST", "/v1/orders", fields, _BODY), 401, "auth.invalid")


def test_a26_every_signed_field_is_bound(gateway: RunningGateway) -> None:
    """Another nonce, time or expiry than the signed one; one added, one taken away."""
    fields = _fields(gateway, expires=wall_ms() + 4000)
    for name, value in (
        (b"Guard-Nonce", new_nonce().encode()),
        (b"Guard-Timestamp", b"%d" % (wall_ms() - 1000)),
        (b"Guard-Expires", b"%d" % (wall_ms() + 4500)),
        (b"Guard-Expires", None),
    ):
        gateway.assert_refused(message("POST", "/v1/orders", changed(fields, name, value), _BODY), 401, "auth.invalid")
    added = [*_fields(gateway), (b"Guard-Expires", b"%d" % (wall_ms() + 4000))]
    gateway.assert_refused(message("POST", "/v1/orders", added, _BODY), 401, "auth.invalid")


def test_a27_another_body_is_not_the_signed_one(gateway: RunningGateway) -> None:
    """A27, S1: swap the body; the body and its digest; drop the digest; add a body; take it away."""
    fields, other = _fields(gateway), _BODY.replace(b"1", b"9")
    without = _fields(gateway, body=b"")
    for sent, body, code in (
        (fields, other, "auth.invalid"),
        (changed(fields, b"Content-Digest", _digest(other)), other, "auth.invalid"),
        (changed(fields, b"Content-Digest", None), _BODY, "auth.malformed"),
        (fields, b"", "auth.invalid"),
        (changed(fields, b"Content-Digest", None), b"", "auth.invalid"),
        (without, _BODY, "auth.malformed"),
        ([*without, (b"Content-Digest", _digest(_BODY))], _BODY, "auth.invalid"),
        ([*without, (b"Content-Digest", _digest(b""))], b"", "auth.invalid"),
        (fields, _BODY + b" ", "auth.invalid"),
        (fields, _BODY[:-1], "auth.invalid"),
    ):
        gateway.assert_refused(message("POST", "/v1/orders", sent, body), 401, code)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a27_a_body_that_was_not_signed_is_refused_on_any_method(gateway: RunningGateway, method: str) -> None:
    fields = _fields(gateway, method, "/v1/orders/7", b"")
    gateway.assert_refused(message(method, "/v1/orders/7", fields, b"{}"), 401, "auth.malformed")


@pytest.mark.parametrize(
    "form",
    [
        *(b"sha-256=%b", b"SHA-256=:%b:", b"sha-256=:%b:;a=1", b"sha-256=:%b:, sha-256=:%b:", b"sha-512=:%b:"),
        *(b"sha-256=:%b:, sha-512=:AAAA:", b"md5=:%b:", b"sha-256=: %b:", b"sha-256=:%b :", b"sha-256=::", b"%b", b""),
    ],
)
def test_a27_only_the_one_form_of_a_digest_counts(gateway: RunningGateway, form: bytes) -> None:
    """A27, S8: two algorithms, an unknown one, or another spelling, though it were signed so."""
    encoded = b64encode(hashlib.sha256(_BODY).digest())
    value = form.replace(b"%b", encoded)
    with gateway.nothing_forwarded():
        response = gateway.ask(
            message("POST", "/v1/orders", changed(_fields(gateway), b"Content-Digest", value), _BODY)
        )
        assert response.status in (400, 401)
        assert response.code in ("auth.malformed", "request.malformed")


def test_a27_a_chunked_body_is_checked_before_a_byte_is_released(gateway: RunningGateway) -> None:
    """S8: signed for one body, another arrives in chunks. The backend sees nothing, not even a beginning."""
    coded = [*_fields(gateway), (b"Transfer-Encoding", b"chunked")]
    wrong = message("POST", "/v1/orders", coded, chunked(_BODY[:5], b"forged", _BODY[5:]))
    gateway.assert_refused(wrong, 401, "auth.invalid")
    good = [*_fields(gateway), (b"Transfer-Encoding", b"chunked")]
    _, received = gateway.assert_forwarded(message("POST", "/v1/orders", good, chunked(_BODY[:5], _BODY[5:])))
    assert (received.body, received.values(b"content-length")) == (_BODY, [b"%d" % len(_BODY)])


@pytest.mark.parametrize("name", [b"Guard-Timestamp", b"Guard-Nonce", b"Guard-Signature", b"Guard-Key"])
def test_a28_a_missing_part_is_never_an_empty_one(gateway: RunningGateway, name: bytes) -> None:
    """A28, R5: left out, or there with nothing in it."""
    for value in (None, b""):
        fields = changed(_fields(gateway), name, value)
        gateway.assert_refused(message("POST", "/v1/orders", fields, _BODY), 401, "auth.malformed")


def test_a28_without_any_part_it_is_not_signed(gateway: RunningGateway) -> None:
    gateway.assert_refused(message("POST", "/v1/orders", [(b"Host", b"gateway.test")], _BODY), 401, "auth.missing")


def test_a31_no_field_stands_for_a_part_of_the_message(gateway: RunningGateway) -> None:
    """A31: signed for GET; fields named like derived components say so, and the message is a DELETE."""
    fields = _fields(gateway, "GET", "/v1/orders/7", b"")
    names = (
        b"method",
        b"target",
        b"request-line",
        b"request-target",
        b"path",
        b"authority",
        b"content_digest",
        b"verb",
    )
    for value in (b"GET", b"GET /v1/orders/7 HTTP/1.1", b"/v1/orders/7"):
        claims = [(name, value) for name in names if name != b"content_digest"]
        gateway.assert_refused(message("DELETE", "/v1/orders/7", [*claims, *fields]), 401, "auth.invalid")
    for name in (b"@method", b"@request-target", b":method", b":path", b"(request-target)"):
        gateway.assert_refused(message("DELETE", "/v1/orders/7", [(name, b"GET"), *fields]), 400, "request.malformed")


@pytest.mark.parametrize(
    "name", [b"Guard-Key", b"Guard-Timestamp", b"Guard-Nonce", b"Guard-Signature", b"Content-Digest"]
)
def test_a32_no_part_is_a_list(gateway: RunningGateway, name: bytes) -> None:
    """A32, S5, S6: joined with commas, with parameters, with a good one first or last, or 15 KB of them."""
    good = dict(_fields(gateway))[name]
    for value in (
        good + b", " + good,
        b"x, " + good,
        good + b";req=1",
        b'"' + good + b'"',
        good * 200,
        b", ".join([good] * 250),
    ):
        with gateway.nothing_forwarded():
            response = gateway.ask(message("POST", "/v1/orders", changed(_fields(gateway), name, value), _BODY))
            assert response.status in (400, 401)


def test_s5_two_sets_of_credentials_are_nobodys(gateway: RunningGateway) -> None:
    """S5: the attacker's own good ones and the victim's id, in both orders."""
    attacker = _fields(gateway)
    victim = [
        (name, gateway.keys["rival"].id.encode() if name == b"Guard-Key" else b"A" * 44) for name, _ in attacker[1:]
    ]
    for fields in ([*attacker, *victim], [attacker[0], *victim, *attacker[1:]]):
        gateway.assert_refused(message("POST", "/v1/orders", fields, _BODY), 400, "request.malformed")


@pytest.mark.parametrize(
    "value",
    [
        *(b"-1795000000000", b"+1795000000000", b"1795000000", b"1795000000000000", b"1795000000000000000", b"1e12"),
        *(b"1795000000000.5", b"0x1A1DE8B5400", b"01795000000000", b"9223372036854775808", b"1" + b"0" * 400, b"NaN"),
        *(b"1_795_000_000_000", b"1795 000000000", b"Sun, 22 Nov 2026 00:00:00 GMT", b"2026-11-22T00:00:00Z", b"0"),
    ],
)
def test_c2_a_time_has_one_form(gateway: RunningGateway, value: bytes) -> None:
    """C2: no other unit is guessed."""
    fields = changed(_fields(gateway), b"Guard-Timestamp", value)
    gateway.assert_refused(message("POST", "/v1/orders", fields, _BODY), 401, "auth.malformed")
    fields = [*_fields(gateway), (b"Guard-Expires", value)]
    gateway.assert_refused(message("POST", "/v1/orders", fields, _BODY), 401, "auth.malformed")


def test_c2_digits_of_other_scripts_are_no_digits(gateway: RunningGateway) -> None:
    fields = changed(_fields(gateway), b"Guard-Timestamp", "\u0661795000000000".encode())
    gateway.assert_refused(message("POST", "/v1/orders", fields, _BODY), 400, "request.malformed")


def test_c1_the_client_narrows_the_window_and_never_widens_it(gateway: RunningGateway) -> None:
    """C1: past its own expiry; an expiry before its time; one of ten years does not make an old one good."""
    now = wall_ms()
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"at": now - 2000, "expires": now - 1000}, "auth.stale"),
        ({"at": now, "expires": now - 500}, "auth.stale"),
        ({"at": now - 6000, "expires": now + 10 * 365 * 86_400_000}, "auth.stale"),
        ({"at": now - 6000}, "auth.stale"),
        ({"at": now + 3000}, "auth.future"),
        ({"at": now + 3000, "expires": now + 9000}, "auth.future"),
    )
    for how, code in cases:
        response = gateway.assert_refused(gateway.signed("POST", "/v1/orders", _BODY, **how), 401, code)
        assert abs(response.problem["server_time_ms"] - wall_ms()) < 1000
    eventually(lambda: gateway.ask(gateway.signed("POST", "/v1/orders", _BODY, **_aged())).status == 200, 15.0)
    gateway.assert_forwarded(gateway.signed("POST", "/v1/orders", _BODY, **_aged()))


def _aged() -> dict[str, Any]:
    """Signed a while ago: a gateway that is younger than that cannot know whether it is fresh, and says so."""
    return {"at": wall_ms() - 3500, "expires": wall_ms() + 3000}


def test_no_unverified_body_is_read(gateway: RunningGateway) -> None:
    """A head that does not verify is refused at once: no 100 Continue is sent, and the body is not waited for."""
    fields = changed(_fields(gateway), b"Guard-Signature", b"A" * 43 + b"=")
    waiting = [*fields, (b"Expect", b"100-continue"), (b"Content-Length", b"%d" % len(_BODY))]
    with gateway.nothing_forwarded(), Connection(gateway.port) as connection:
        connection.send(message("POST", "/v1/orders", waiting))
        assert connection.rest().startswith(b"HTTP/1.1 401 ")


def test_s8_binance_binds_query_and_body(gateway: RunningGateway) -> None:
    """The formula joins them, so only one may be there; a signature fits no other parameters, path or method."""
    key = gateway.keys["binance"]
    fields = [(b"Host", b"gateway.test"), (b"X-MBX-APIKEY", key.id.encode())]
    query = f"symbol=BTCUSDT&timestamp={wall_ms()}".encode()
    signature = hmac.new(key.secret, query, "sha256").hexdigest().encode()
    good = query + b"&signature=" + signature
    form = (b"Content-Type", b"application/x-www-form-urlencoded")
    for target, body, status in (
        (b"/api/v3/order?" + good.replace(b"BTC", b"ETH"), b"", 401),
        (b"/api/v3/order?" + query, b"signature=" + signature, 400),
        (b"/api/v3/order?symbol=BTCUSDT&" + query + b"&signature=" + signature, b"", 400),
        (b"/api/v3/order?" + query + b"&signature=" + signature[:-2], b"", 401),
        (b"/api/v3/order?" + query + b"&signature=", b"", 401),
        (b"/api/v3/order?" + query, b"", 401),
    ):
        with gateway.nothing_forwarded():
            assert gateway.ask(message("POST", target, [*fields, form], body)).status == status
    gateway.assert_forwarded(message("POST", b"/api/v3/order", [*fields, form], good))
    gateway.assert_refused(message("POST", b"/api/v3/order", [*fields, form], good), 401, "auth.replayed")
    gateway.assert_refused(message("GET", b"/api/v3/order?" + good, fields), 401, "auth.replayed")
