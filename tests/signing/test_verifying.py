import base64
import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from guard.model.claims import Claim, ClaimFault
from guard.model.facts import Facts, Transport
from guard.model.keys import KeyAlgorithm, KeyRecord, Secret
from guard.signing.algorithms import api_key_hash
from guard.signing.coverage import uncovered
from guard.signing.credentials import make_claim
from guard.signing.signer import sign
from guard.signing.verifying import body_matches, replay_identity, signature_base, signature_verifies
from tests.build import KEY_ID, NONCE, NOW, SECRET, facts, record, scheme
from tests.signing.dialects import FRAMES, KEYED, MESSAGES, compiled

_SEED = bytes(range(32))
_HMAC = record()
_ED25519 = record(algorithm=KeyAlgorithm.ED25519, material=Secret(bytes(SigningKey(_SEED).verify_key)))
_BODY = b'{"hello": "world"}\n'


def _signed(algorithm: KeyAlgorithm = KeyAlgorithm.HMAC_SHA256, **changes: Any) -> Facts:
    """A good guard-v1 request, changed after it was signed."""
    fields = sign(
        key_id=KEY_ID,
        secret_or_private=_SEED if algorithm is KeyAlgorithm.ED25519 else SECRET,
        algorithm=algorithm,
        method="POST",
        authority=b"gateway.test",
        target=b"/v1/orders?a=%20&b",
        body=_BODY,
        now=NOW,
        nonce=NONCE,
    )
    lowered = {name.lower(): value for name, value in fields}
    lowered |= changes.pop("fields", {})
    sent = {"query": b"a=%20&b", "body": _BODY, **changes}
    return facts(sent.pop("verb", "POST"), sent.pop("path", b"/v1/orders"), fields=tuple(lowered.items()), **sent)


def _accepted(message: Facts, holder: KeyRecord = _HMAC, name: str = "guard-v1") -> bool:
    claim = make_claim(scheme(name), message)
    if isinstance(claim, ClaimFault) or uncovered(scheme(name), message) is not None:
        return False
    return signature_verifies(scheme(name), message, claim, holder) and body_matches(scheme(name), message)


def _claim(message: Facts) -> Claim:
    claim = make_claim(scheme(), message)
    assert isinstance(claim, Claim)
    return claim


def test_the_base_of_guard_v1_is_the_one_of_the_contract() -> None:
    """Written by hand from ARCHITECTURE.md section 6; the digest is that of RFC 9530 appendix D."""
    assert signature_base(scheme(), _signed(), _claim(_signed())) == (
        b"guard-v1\ngk_test\n1900000000000\n\nnonce-0123456789-abcdefg\nPOST\ngateway.test\n/v1/orders?a=%20&b\n"
        b"sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
    )


@pytest.mark.parametrize(("algorithm", "holder"), [(KeyAlgorithm.HMAC_SHA256, _HMAC), (KeyAlgorithm.ED25519, _ED25519)])
def test_guard_v1_verifies_at_the_head_and_then_the_body_must_match(algorithm: KeyAlgorithm, holder: KeyRecord) -> None:
    head = _signed(algorithm, body=None)
    assert uncovered(scheme(), head) is None
    assert signature_verifies(scheme(), head, _claim(head), holder)
    assert not body_matches(scheme(), head)
    assert _accepted(_signed(algorithm), holder)
    assert not _accepted(_signed(algorithm, body=b""), holder)
    assert not _accepted(_signed(algorithm, body=_BODY[:-1]), holder)


@given(
    st.data(),
    st.sampled_from(
        [
            "verb",
            "authority",
            "path",
            "query",
            "body",
            "guard-key",
            "guard-timestamp",
            "guard-nonce",
            "content-digest",
            "guard-signature",
        ]
    ),
)
def test_any_single_byte_of_a_signed_request_that_changes_is_refused(data: st.DataObject, part: str) -> None:
    whole = _signed()
    assert _accepted(whole)
    is_field = part.startswith(("guard-", "content-"))
    original = dict(whole.fields)[part.encode()] if is_field else getattr(whole, part)
    content = original.encode() if isinstance(original, str) else original
    at = data.draw(st.integers(0, len(content) - 1))
    byte = data.draw(st.integers(0, 127).filter(lambda number: number != content[at]))
    changed = content[:at] + bytes([byte]) + content[at + 1 :]
    change: dict[str, Any] = {part: changed.decode() if part == "verb" else changed}
    assert not _accepted(_signed(fields={part.encode(): changed}) if is_field else _signed(**change))


@pytest.mark.parametrize(
    "changes",
    [
        {"verb": "GET"},
        {"verb": "post"},
        {"path": b"/v1/Orders"},
        {"path": b"/v1/orders/"},
        {"path": b"/v1/%6frders"},
        {"authority": b"Gateway.test"},
        {"authority": b"gateway.test:443"},
        {"query": None},
        {"query": b""},
        {"query": b"b&a=%20"},
        {"query": b"a=%20&b&"},
        {"query": b"a=%20&b&c=1"},
        {"query": b"a=+&b"},
        {"query": b"a=%20;b"},
        {"path": b"/v1/orders?a=%20&b", "query": b""},
        {"fields": {b"guard-expires": b"1900000000001"}},
        {"fields": {b"guard-nonce": NONCE.encode() + b"x"}},
        {"fields": {b"guard-timestamp": b"1900000000001"}},
    ],
)
def test_a_request_that_is_another_one_is_refused(changes: dict[str, Any]) -> None:
    assert not _accepted(_signed(**changes))


def test_the_border_of_path_and_query_is_where_the_question_mark_is() -> None:
    """The target as a whole is signed: splitting it elsewhere is not another message on the wire."""
    assert _accepted(_signed(path=b"/v1/orders?a=%20&b", query=None))


def test_swapping_or_dropping_the_digest_is_refused() -> None:
    """BYPASSES.md A27."""
    other = _signed(body=b"x", fields={b"content-digest": b"sha-256=:LXEWQrcmsEQBYnyp9cxFmmEg+lxlvG7Nvk6TH/AOcLE=:"})
    assert not _accepted(other)
    dropped = facts(
        path=b"/v1/orders",
        query=b"a=%20&b",
        body=b"x",
        fields=tuple(f for f in _signed().fields if f[0] != b"content-digest"),
    )
    assert not _accepted(dropped)


def test_the_kind_of_key_decides_and_no_other_kind_verifies() -> None:
    """BYPASSES.md A29: a public key is no HMAC secret."""
    public = bytes(SigningKey(_SEED).verify_key)
    forged = sign(
        key_id=KEY_ID,
        secret_or_private=public,
        algorithm=KeyAlgorithm.HMAC_SHA256,
        method="GET",
        authority=b"gateway.test",
        target=b"/v1/orders",
        body=b"",
        now=NOW,
        nonce=NONCE,
    )
    message = facts("GET", fields=tuple((name.lower(), value) for name, value in forged))
    assert not _accepted(message, _ED25519)
    assert _accepted(message, record(material=Secret(public))), "it is well signed, for an HMAC key of that secret"
    for kind in set(KeyAlgorithm) - {KeyAlgorithm.HMAC_SHA256}:
        assert not _accepted(_signed(), record(algorithm=kind, material=Secret(SECRET)))


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s[:-1],
        lambda s: s + b"=",
        lambda s: s.rstrip(b"="),
        lambda s: s[:-2] + b"B=",
        lambda s: b" " + s,
        lambda s: base64.b64encode(base64.b64decode(s)[:16]),
        lambda s: base64.b64encode(base64.b64decode(s) + b"\0"),
        lambda s: base64.b64decode(s).hex().encode(),
        lambda s: base64.urlsafe_b64encode(base64.b64decode(s) + b"\xff"),
        lambda s: s[:0] + b"====",
        lambda s: s + b"," + s,
    ],
)
def test_another_writing_of_a_good_signature_is_refused(change: Any) -> None:
    """BYPASSES.md A30, THREATS.md S7."""
    signature = dict(_signed().fields)[b"guard-signature"]
    changed = change(signature)
    assert changed != signature
    assert not _accepted(_signed(fields={b"guard-signature": changed}))


def test_another_secret_or_none_is_refused() -> None:
    assert not _accepted(_signed(), record(material=Secret(SECRET + b"x")))
    assert not _accepted(_signed(), record(material=Secret(b"")))


def test_an_api_key_verifies_by_its_hash_and_binds_nothing() -> None:
    pepper = b"p" * 32
    holder = record(algorithm=KeyAlgorithm.API_KEY, material=Secret(pepper + api_key_hash(pepper, b"s3cret")))
    for verb, body in (("GET", b""), ("POST", b"x")):
        message = facts(verb, body=body, fields=((b"guard-api-key", KEY_ID.encode() + b".s3cret"),))
        assert _accepted(message, holder, "api-key")
        assert signature_base(scheme("api-key"), message, _bare(message)) == b""
    near = facts(fields=((b"guard-api-key", KEY_ID.encode() + b".s3cret "),))
    assert not _accepted(near, holder, "api-key")
    assert not _accepted(facts(fields=((b"guard-api-key", KEY_ID.encode() + b".S3cret"),)), holder, "api-key")


def _bare(message: Facts) -> Claim:
    claim = make_claim(scheme("api-key"), message)
    assert isinstance(claim, Claim)
    return claim


_KEYED = compiled(KEYED)


def test_a_message_is_the_same_if_its_nonce_is() -> None:
    message = _signed()
    assert replay_identity(scheme(), message, _claim(message)) == NONCE.encode()


def test_without_a_nonce_a_message_is_the_same_if_its_base_is() -> None:
    fields = ((b"x-mbx-apikey", b"k"),)
    start = b"timestamp=1795347604903&symbol=X"
    identities = set()
    for query in (start + b"&signature=aa", start + b"&signature=AA", b"signature=00&" + start):
        message = facts("GET", query=query, fields=fields)
        claim = make_claim(scheme("binance"), message)
        assert isinstance(claim, Claim)
        identities.add(replay_identity(scheme("binance"), message, claim))
    assert identities == {hashlib.sha256(start).digest()}


def test_a_body_matches_where_the_base_covers_it_itself() -> None:
    assert body_matches(scheme("binance"), facts(body=b"x"))
    assert body_matches(scheme("api-key"), facts(body=b"x"))


@pytest.mark.parametrize(
    ("body", "digests", "matches"),
    [
        (_BODY, 1, True),
        (b"", 0, True),
        (b"", 1, False),
        (_BODY, 0, False),
        (_BODY, 2, False),
        (None, 1, False),
        (None, 0, False),
    ],
)
def test_a_body_matches_its_one_digest_only(body: bytes | None, digests: int, matches: bool) -> None:  # noqa: FBT001  # a table
    stated = (b"content-digest", b"sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:")
    assert body_matches(scheme(), facts(body=body, fields=(stated,) * digests)) is matches


_CLAIMS = st.builds(
    Claim,
    scheme=st.just("any"),
    key_id=st.just(KEY_ID),
    signature=st.binary(max_size=90),
    late=st.booleans(),
    values=st.lists(st.tuples(st.sampled_from(["key", "nonce", "timestamp"]), st.binary(max_size=9)), max_size=3).map(
        dict
    ),
)
_MESSAGES = st.builds(
    facts,
    st.text(max_size=4),
    st.binary(max_size=9),
    query=st.none() | st.binary(max_size=9),
    body=st.none() | st.binary(max_size=20),
    authority=st.binary(max_size=9),
    transport=st.sampled_from(list(Transport)),
    fields=st.lists(
        st.tuples(st.sampled_from([b"35", b"52", b"content-digest"]), st.binary(max_size=9)), max_size=4
    ).map(tuple),
)


@given(
    st.sampled_from([scheme(), scheme("api-key"), scheme("binance"), _KEYED, compiled(MESSAGES), compiled(FRAMES)]),
    _MESSAGES,
    _CLAIMS,
    st.sampled_from(list(KeyAlgorithm)),
    st.binary(max_size=70),
)
def test_no_claim_key_or_message_makes_verifying_raise(
    any_scheme: Any, message: Facts, claim: Claim, kind: KeyAlgorithm, material: bytes
) -> None:
    holder = record(algorithm=kind, material=Secret(material))
    assert signature_verifies(any_scheme, message, claim, holder) is False
    body_matches(any_scheme, message)
