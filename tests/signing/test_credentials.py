from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.model.claims import Claim, ClaimFault
from guard.model.facts import Facts, Transport
from guard.model.keys import KeyAlgorithm
from guard.model.names import UnixMs
from guard.signing.credentials import carries, make_claim
from guard.signing.signer import sign
from tests.build import KEY_ID, NONCE, NOW, SECRET, facts, scheme
from tests.signing.dialects import FRAMES, KEYED, MESSAGES, compiled

_KEYED, _MESSAGES, _FRAMES = compiled(KEYED), compiled(MESSAGES), compiled(FRAMES)
_FORM = (b"content-type", b"application/x-www-form-urlencoded")
_JSON = (b"content-type", b"application/json")
_AUTHORIZATION = (b"authorization", b"venue-hmac id=k,ts=1900000000000,sig=AAAA")


def _fields(*, without: str = "", expires: UnixMs | None = None, **other: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """The fields of a good guard-v1 request, but for what is said."""
    signed = sign(
        key_id=KEY_ID,
        secret_or_private=SECRET,
        algorithm=KeyAlgorithm.HMAC_SHA256,
        method="POST",
        authority=b"gateway.test",
        target=b"/v1/orders",
        body=b"{}",
        now=NOW,
        nonce=NONCE,
        expires=expires,
    )
    lowered = {name.lower(): value for name, value in signed}
    lowered |= {name.replace("_", "-").encode(): value for name, value in other.items()}
    return tuple((name, value) for name, value in lowered.items() if name != without.encode())


def _fault(claim: Claim | ClaimFault) -> tuple[str, str]:
    assert isinstance(claim, ClaimFault)
    return claim.code, claim.detail


def test_a_claim_says_what_the_client_says() -> None:
    claim = make_claim(scheme(), facts(fields=_fields(expires=UnixMs(NOW + 9)), body=b"{}"))
    assert isinstance(claim, Claim)
    assert (claim.scheme, claim.key_id, claim.late) == ("guard-v1", KEY_ID, False)
    assert (claim.signed_at, claim.expires_at, claim.window_ms) == (NOW, NOW + 9, None)
    assert claim.nonce == NONCE.encode()
    assert dict(claim.values)["content_digest"].startswith(b"sha-256=:")


def test_a_claim_of_guard_v1_needs_no_body() -> None:
    claim = make_claim(scheme(), facts(fields=_fields(), body=None))
    assert isinstance(claim, Claim)
    assert not claim.late


@pytest.mark.parametrize("name", ["guard-key", "guard-signature", "guard-timestamp", "guard-nonce"])
def test_a_missing_part_is_malformed_and_named(name: str) -> None:
    code, detail = _fault(make_claim(scheme(), facts(fields=_fields(without=name))))
    assert code == "auth.malformed"
    assert detail == f"The {name.removeprefix('guard-')} is missing."


@pytest.mark.parametrize("name", ["content-digest", "guard-expires"])
def test_an_optional_part_may_be_missing_but_not_empty(name: str) -> None:
    assert isinstance(make_claim(scheme(), facts(fields=_fields(without=name))), Claim)
    empty = make_claim(scheme(), facts(fields=(*_fields(without=name), (name.encode(), b""))))
    assert _fault(empty)[0] == "auth.malformed"


@pytest.mark.parametrize("name", [name for name, _ in _fields(expires=NOW)])
def test_any_part_twice_is_refused_even_if_equal(name: bytes) -> None:
    fields = _fields(expires=NOW)
    twice = make_claim(scheme(), facts(fields=(*fields, (name, dict(fields)[name]))))
    assert _fault(twice) == ("request.malformed", "A credential occurs twice.")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("guard_timestamp", b"190000000000"),
        ("guard_timestamp", b"19000000000000"),
        ("guard_timestamp", b"0900000000000"),
        ("guard_timestamp", b"+900000000000"),
        ("guard_timestamp", b"1900000000.00"),
        ("guard_timestamp", b"1900000000000\n"),
        ("guard_timestamp", b"1900000000000 "),
        ("guard_timestamp", "١٩٠٠٠٠٠٠٠٠٠٠٠".encode()),
        ("guard_timestamp", b""),
        ("guard_timestamp", b"9" * 400),
        ("guard_expires", b"soon"),
        ("guard_expires", b"1900000000"),
        ("guard_nonce", b"a" * 21),
        ("guard_nonce", b"a" * 65),
        ("guard_nonce", b"a" * 30 + b"="),
        ("guard_nonce", b"a" * 30 + b"\n"),
        ("guard_nonce", b"a" * 30 + b"\xff"),
        ("guard_key", b""),
        ("guard_key", b"a" * 129),
        ("guard_key", b"-a"),
        ("guard_key", b"a b"),
        ("guard_key", b"a,b"),
        ("guard_key", b"a\nb"),
        ("guard_key", "ключ".encode()),
        ("guard_signature", b""),
        ("guard_signature", b"a b"),
        ("guard_signature", b"a" * 1401),
        ("content_digest", b"sha-512=:AAAA:"),
        ("content_digest", b"sha-256=:AAAA:"),
    ],
)
def test_a_part_of_another_form_is_malformed_and_not_quoted(name: str, value: bytes) -> None:
    change: dict[str, Any] = {name: value}
    code, detail = _fault(make_claim(scheme(), facts(fields=_fields(**change))))
    assert code == "auth.malformed"
    named = name.removeprefix("guard_")
    assert detail == f"The {named} does not have the form that its scheme demands."


@pytest.mark.parametrize("name", ["guard-v1", "api-key", "binance"])
def test_a_message_without_credentials_carries_none(name: str) -> None:
    assert not carries(scheme(name), facts(query=b"timestamp=1&symbol=X", fields=((b"content-digest", b"x"),)))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("guard-v1", facts(fields=((b"guard-key", b""),))),
        ("guard-v1", facts(fields=((b"guard-signature", b"x"),))),
        ("api-key", facts(fields=((b"guard-api-key", b"x"),))),
        ("binance", facts(fields=((b"x-mbx-apikey", b"x"),))),
        ("binance", facts(query=b"signature=x")),
    ],
)
def test_a_key_or_a_signature_is_enough_to_carry_credentials(name: str, message: Facts) -> None:
    assert carries(scheme(name), message)


def test_a_bare_secret_is_the_signature_and_appears_nowhere_else() -> None:
    claim = make_claim(scheme("api-key"), facts(fields=((b"guard-api-key", b"my.id.s3cret"),)))
    assert isinstance(claim, Claim)
    assert (claim.key_id, claim.signature) == ("my.id", b"s3cret")
    assert (claim.values, claim.signed_at, claim.nonce) == ({}, None, None)


@pytest.mark.parametrize(
    "value", [b"", b"x", b"noid", b".secret", b"id.", b"i d.secret", b"id.sec ret", b"id.\xff\xff"]
)
def test_a_bare_secret_of_another_form_is_malformed(value: bytes) -> None:
    assert _fault(make_claim(scheme("api-key"), facts(fields=((b"guard-api-key", value),))))[0] == "auth.malformed"


def test_a_window_is_rounded_down_and_micro_seconds_to_milliseconds() -> None:
    query = b"timestamp=1795347604903999&recvWindow=2500.999&signature=00"
    claim = make_claim(scheme("binance"), facts("GET", query=query, fields=((b"x-mbx-apikey", b"k"),)))
    assert isinstance(claim, Claim)
    assert (claim.signed_at, claim.window_ms, claim.nonce) == (1795347604903, 2500, None)


@pytest.mark.parametrize(
    "query",
    [
        b"timestamp=x&signature=0",
        b"timestamp=1795347604903&signature=%zz",
        b"signature=00",
        b"timestamp=1795347604903&signature=00&recvWindow=0",
        b"timestamp=1795347604903&signature=00&recvWindow=60000000",
    ],
)
def test_parameters_of_another_form_are_malformed(query: bytes) -> None:
    assert (
        _fault(make_claim(scheme("binance"), facts("GET", query=query, fields=((b"x-mbx-apikey", b"k"),))))[0]
        == "auth.malformed"
    )


@pytest.mark.parametrize("kind", [_FORM, _JSON])
def test_what_may_still_come_in_the_body_makes_a_claim_late(kind: tuple[bytes, bytes]) -> None:
    claim = make_claim(_KEYED, facts(fields=(_AUTHORIZATION, kind), body=None))
    assert isinstance(claim, Claim)
    assert (claim.late, claim.key_id, claim.signature, claim.signed_at, claim.values) == (True, "k", b"", None, {})


def test_what_cannot_come_in_the_body_is_missing_already_at_the_head() -> None:
    """A body that is no form and no document is not worth reading."""
    fields = (_AUTHORIZATION, (b"content-type", b"text/plain"))
    assert _fault(make_claim(_KEYED, facts(fields=fields, body=None))) == ("auth.malformed", "The nonce is missing.")


def test_a_value_that_only_a_form_may_hold_does_not_come_in_a_document_nor_the_other_way() -> None:
    for source, kind in (("form:nonce", _JSON), ("json:/nonce", _FORM)):
        narrow = compiled(KEYED, take={**KEYED["take"], "nonce": [source]})
        assert _fault(make_claim(narrow, facts(fields=(_AUTHORIZATION, kind), body=None)))[1] == "The nonce is missing."


def test_a_claim_stays_late_whatever_optional_parts_are_missing_too() -> None:
    claim = make_claim(scheme("binance"), facts(fields=((b"x-mbx-apikey", b"k"), _FORM), body=None))
    assert isinstance(claim, Claim)
    assert (claim.late, claim.key_id) == (True, "k")


def test_a_late_claim_is_whole_once_the_body_is_there() -> None:
    claim = make_claim(_KEYED, facts(fields=(_AUTHORIZATION, _JSON), body=b'{"nonce": 17}'))
    assert isinstance(claim, Claim)
    assert (claim.late, claim.nonce, claim.signature) == (False, b"17", b"AAAA")


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        (_JSON, b'{"nonce":1,"nonce":1}', "request.bad_body"),
        (_JSON, b'{"nonce":NaN}', "request.bad_body"),
        (_JSON, b"\xef\xbb\xbf{}", "request.bad_body"),
        (_JSON, b"[" * 99, "request.bad_body"),
        (_JSON, b'{"nonce":[1]}', "auth.malformed"),
        (_JSON, b'{"nonce":"x"}', "auth.malformed"),
        (_JSON, b"{}", "auth.malformed"),
        (_JSON, b"", "auth.malformed"),
        (_FORM, b"nonce=1&nonce=1", "request.malformed"),
        (_FORM, b"n%6fnce=1", "request.malformed"),
        (_FORM, b"nonce=", "auth.malformed"),
        (_FORM, b"\xff\x00&&==", "auth.malformed"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(kind: tuple[bytes, bytes], body: bytes, code: str) -> None:
    assert _fault(make_claim(_KEYED, facts(fields=(_AUTHORIZATION, kind), body=body)))[0] == code


@pytest.mark.parametrize("part", ["window", "expires"])
def test_a_deadline_or_window_whose_form_lets_nonsense_through_is_still_malformed(part: str) -> None:
    take = {**KEYED["take"], part: ["header:X-Limit"]}
    lax = compiled(KEYED, take=take, formats={**KEYED["formats"], part: "[a-z]{1,9}"}, unbound=[part])
    fields = (_AUTHORIZATION, _JSON, (b"x-limit", b"soon"))
    claim = make_claim(lax, facts(fields=fields, body=b'{"nonce": 17}'))
    assert _fault(claim) == ("auth.malformed", f"The {part} does not have the form that its scheme demands.")


_NAMES = st.sampled_from(
    [
        b"guard-key",
        b"guard-signature",
        b"guard-timestamp",
        b"guard-nonce",
        b"guard-expires",
        b"content-digest",
        b"guard-api-key",
        b"x-mbx-apikey",
        b"authorization",
        b"content-type",
        b"553",
        b"96",
        b"52",
    ]
)
_VALUES = st.binary(max_size=40) | st.sampled_from(
    [
        b"1900000000000",
        b"k",
        b"AAAA",
        b"a" * 22,
        _FORM[1],
        _JSON[1],
        _AUTHORIZATION[1],
        b"id.secret",
        b"20240627-11:17:25",
    ]
)
_QUERIES = (
    st.none()
    | st.binary(max_size=40)
    | st.sampled_from([b"signature=%2B&timestamp=1900000000000", b"%73ignature=1&&="])
)
_BODIES = (
    st.none()
    | st.binary(max_size=40)
    | st.sampled_from(
        [b"nonce=1", b'{"nonce":1}', b'{"params":{"apiKey":"k","signature":"00","timestamp":1900000000000}}', b"[[{"]
    )
)


@given(
    st.sampled_from([scheme(), scheme("api-key"), scheme("binance"), _KEYED, _MESSAGES, _FRAMES]),
    st.builds(
        facts,
        st.text(max_size=5),
        st.binary(max_size=9),
        query=_QUERIES,
        body=_BODIES,
        authority=st.binary(max_size=9),
        transport=st.sampled_from(list(Transport)),
        fields=st.lists(st.tuples(_NAMES, _VALUES), max_size=8).map(tuple),
    ),
)
def test_no_message_makes_reading_credentials_raise(any_scheme: Any, message: Facts) -> None:
    carries(any_scheme, message)
    claim = make_claim(any_scheme, message)
    assert isinstance(claim, ClaimFault) or claim.key_id
    if isinstance(claim, ClaimFault):
        assert claim.code in ("auth.malformed", "request.malformed", "request.bad_body")
