import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from guard.cli.credentials import Key
from guard.cli.outgoing import Asked, Outgoing, Part, Scheme, asked_for, outgoing, tampered
from guard.model.keys import KeyAlgorithm, Secret
from guard.model.names import UnixMs

KEY = Key("k", Secret(b"s"), KeyAlgorithm.HMAC_SHA256)
NOW = UnixMs(1_900_000_000_000)


def built(asked: Asked, scheme: Scheme = Scheme.GUARD_V1, key: Key | None = KEY) -> Outgoing:
    return outgoing(asked, authority=b"h:1", scheme=scheme, key=key, now=NOW)


def test_the_bytes_are_one_http_message() -> None:
    asked = asked_for("PUT", "/x?y", b"body", ["Content-Type: text/plain", "User-Agent: me", "X-A:  b "])
    assert built(asked, Scheme.NONE, None).content == (
        b"PUT /x?y HTTP/1.1\r\nHost: h:1\r\nContent-Length: 4\r\n"
        b"Content-Type: text/plain\r\nUser-Agent: me\r\nX-A: b\r\n\r\nbody"
    )


def test_a_length_of_ones_own_is_left_alone() -> None:
    for line in ("Content-Length: 9", "Transfer-Encoding: chunked"):
        names = [name.lower() for name, _ in built(asked_for("POST", "/", b"body", [line])).fields]
        assert names.count(b"content-length") + names.count(b"transfer-encoding") == 1


def test_every_method_that_opens_with_a_body_says_its_length() -> None:
    for method, says in (("POST", True), ("PUT", True), ("PATCH", True), ("GET", False), ("DELETE", False)):
        assert (built(asked_for(method, "/", b"", [])).field(b"content-length") == b"0") is says


def test_what_is_shown_as_signed_is_the_signature_base() -> None:
    request = built(asked_for("GET", "/x", b"", []))
    nonce = request.field(b"guard-nonce")
    assert nonce is not None
    assert request.signed == b"guard-v1\nk\n1900000000000\n\n" + nonce + b"\nGET\nh:1\n/x\n"


def test_a_key_that_is_an_api_key_is_sent_as_one() -> None:
    for scheme, algorithm in ((Scheme.GUARD_V1, KeyAlgorithm.API_KEY), (Scheme.API_KEY, KeyAlgorithm.HMAC_SHA256)):
        request = built(asked_for("GET", "/", b"", []), scheme, Key("k", Secret(b"s"), algorithm))
        assert (request.field(b"guard-api-key"), request.signed, request.holds_secret) == (b"k.s", None, True)
    assert not built(asked_for("GET", "/", b"", [])).holds_secret


@pytest.mark.parametrize(
    ("algorithm", "secret"), [(KeyAlgorithm.RSA, b"s"), (KeyAlgorithm.ED25519, b"short"), (KeyAlgorithm.ED25519, b"")]
)
def test_a_key_that_cannot_sign_is_refused_by_name_without_its_secret(algorithm: KeyAlgorithm, secret: bytes) -> None:
    with pytest.raises(typer.BadParameter, match="key k cannot sign") as refused:
        built(asked_for("GET", "/", b"", []), key=Key("k", Secret(secret), algorithm))
    assert "short" not in refused.value.message


@given(st.sampled_from(Part), st.binary(min_size=1), st.binary(min_size=1))
def test_tampering_changes_one_part_and_no_length_but_of_a_new_query(part: Part, path: bytes, body: bytes) -> None:
    path, body = b"/a" + path.replace(b"?", b""), b"1" + body
    for query in (b"", b"?q=1"):
        before = built(Asked(method="POST", target=path + query, body=body))
        after = tampered(before, part)
        differing = [name for name in ("target", "fields", "body") if getattr(before, name) != getattr(after, name)]
        assert differing == [{"body": "body", "path": "target", "query": "target"}.get(part, "fields")]
        fields = [name for name, value in after.fields if (name, value) not in before.fields]
        named = {"signature": [b"Guard-Signature"], "timestamp": [b"Guard-Timestamp"]}
        assert fields == named.get(part, [])
        if not (part is Part.QUERY and not query):
            assert len(after.content) == len(before.content)
        if part is Part.PATH:
            assert after.target.partition(b"?")[1:] == before.target.partition(b"?")[1:]
        if part is Part.QUERY:
            assert after.target.partition(b"?")[0] == path


@pytest.mark.parametrize(
    ("method", "target", "lines"),
    [
        ("GET", "/x\r\nX: y", []),
        ("GET", "/x\ny", []),
        ("G T", "/x", []),
        ("", "/x", []),
        ("GET", "/x", ["a: b\nc: d"]),
        ("GET", "/x", ["no colon"]),
        ("GET", "/x", [": b"]),
    ],
)
def test_no_argument_begins_another_line(method: str, target: str, lines: list[str]) -> None:
    with pytest.raises(typer.BadParameter):
        asked_for(method, target, b"", lines)


@pytest.mark.parametrize("part", [Part.BODY, Part.SIGNATURE, Part.TIMESTAMP])
def test_what_is_not_there_cannot_be_tampered_with(part: Part) -> None:
    with pytest.raises(typer.BadParameter):
        tampered(built(asked_for("GET", "/x", b"", []), Scheme.NONE, None), part)
