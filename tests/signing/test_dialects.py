"""The engine is general: schemes on other transports, and with other algorithms and encodings than the shipped ones."""

import base64
import hashlib
import hmac

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from guard.model.claims import Claim, ClaimFault
from guard.model.facts import Facts, Transport
from guard.model.keys import KeyAlgorithm, Secret
from guard.model.names import KeyId
from guard.signing.credentials import make_claim
from guard.signing.functions import BaseFault
from guard.signing.verifying import signature_base, signature_verifies
from tests.build import SECRET, facts, record
from tests.signing.dialects import FRAMES, KEYED, MESSAGES, compiled

_KEYED, _MESSAGES, _FRAMES = compiled(KEYED), compiled(MESSAGES), compiled(FRAMES)
_FORM = (b"content-type", b"application/x-www-form-urlencoded")


def _fault(claim: Claim | ClaimFault) -> str:
    assert isinstance(claim, ClaimFault)
    return claim.code


def _keyed(signature: bytes, body: bytes = b'{"nonce": 17}') -> Facts:
    fields = (
        (b"authorization", b"venue-hmac id=k,ts=1900000000000,sig=" + signature),
        (b"content-type", b"application/json"),
    )
    return facts(fields=fields, body=body)


_KEYED_BASE = b"1900000000000\nPOST\ngateway.test\n/v1/orders\nk\n" + hashlib.sha256(b'17{"nonce": 17}').digest()


def test_a_secret_may_be_written_in_base64() -> None:
    secret = b"\x00\xff secret"
    message = _keyed(base64.b64encode(hmac.digest(secret, _KEYED_BASE, "sha512")))
    claim = make_claim(_KEYED, message)
    assert isinstance(claim, Claim)
    holder = record(id=KeyId("k"), algorithm=KeyAlgorithm.HMAC_SHA512, material=Secret(base64.b64encode(secret)))
    assert signature_verifies(_KEYED, message, claim, holder)
    garbled = record(id=KeyId("k"), algorithm=KeyAlgorithm.HMAC_SHA512, material=Secret(b"not base64"))
    assert not signature_verifies(_KEYED, message, claim, garbled)


def test_an_ecdsa_signature_is_two_halves() -> None:
    private = ec.derive_private_key(7, ec.SECP256R1())
    r, s = decode_dss_signature(private.sign(_KEYED_BASE, ec.ECDSA(hashes.SHA256())))
    message = _keyed(base64.urlsafe_b64encode(r.to_bytes(32, "big") + s.to_bytes(32, "big")).rstrip(b"="))
    claim = make_claim(_KEYED, message)
    assert isinstance(claim, Claim)
    public = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    holder = record(id=KeyId("k"), algorithm=KeyAlgorithm.ECDSA_P256, material=Secret(public))
    assert signature_verifies(_KEYED, message, claim, holder)
    other = _keyed(b"", body=b'{"nonce":17}')
    assert not signature_verifies(_KEYED, other, claim, holder)


def test_a_late_claim_verifies_nothing_though_its_signature_is_good() -> None:
    message = _keyed(base64.b64encode(hmac.digest(b"secret", _KEYED_BASE, "sha512")))
    claim = make_claim(_KEYED, message)
    assert isinstance(claim, Claim)
    holder = record(algorithm=KeyAlgorithm.HMAC_SHA512, material=Secret(base64.b64encode(b"secret")))
    assert signature_verifies(_KEYED, message, claim, holder)
    assert not signature_verifies(_KEYED, message, msgspec.structs.replace(claim, late=True), holder)


def test_a_late_claim_and_a_body_that_was_not_read_verify_nothing() -> None:
    head = facts(fields=_keyed(b"AAAA").fields, body=None)
    late = make_claim(_KEYED, head)
    assert isinstance(late, Claim)
    assert late.late
    holder = record(algorithm=KeyAlgorithm.HMAC_SHA512, material=Secret(b"AAAA"))
    assert not signature_verifies(_KEYED, head, late, holder)
    with pytest.raises(BaseFault):
        signature_base(_KEYED, head, late)


def test_a_claim_that_lacks_what_is_signed_verifies_nothing() -> None:
    frame = facts(
        "A", transport=Transport.FIX, fields=((b"553", b"k"), (b"96", b"AAAA"), (b"52", b"20240627-11:17:25"))
    )
    claim = make_claim(_FRAMES, frame)
    assert isinstance(claim, Claim)
    assert not signature_verifies(_FRAMES, frame, claim, record(algorithm=KeyAlgorithm.ED25519))


def test_a_message_on_a_websocket_verifies() -> None:
    """The example of binance-spot-api-docs, web-socket-api.md (a5e0bc3), re-signed under our own secret."""
    base = b"apiKey=k&price=52000.00&timestamp=1645423376532"
    signature = hmac.digest(SECRET, base, "sha256").hex().encode()
    params = b'{"price":"52000.00","timestamp":1645423376532,"apiKey":"k","signature":"%b"}'
    body = b'{"id":1,"method":"order.place","params":' + params + b"}"
    message = facts(transport=Transport.WEBSOCKET, body=body % signature)
    claim = make_claim(_MESSAGES, message)
    assert isinstance(claim, Claim)
    assert signature_verifies(_MESSAGES, message, claim, record(id=KeyId("k")))
    dearer = facts(transport=Transport.WEBSOCKET, body=body.replace(b"52000", b"52001") % signature)
    assert not signature_verifies(_MESSAGES, dearer, claim, record(id=KeyId("k")))


def test_a_scheme_may_have_a_nonce_and_no_time() -> None:
    """As Kraken's."""
    take = {"key": ["header:API-Key"], "signature": ["header:API-Sign"], "nonce": ["form:nonce"]}
    timeless = compiled(
        KEYED,
        take=take,
        time=None,
        formats={"nonce": "[0-9]{1,20}"},
        base="{target}{key}{method}{host}{sha256(nonce,body)}",
    )
    fields = ((b"api-key", b"k"), (b"api-sign", b"AAAA"), _FORM)
    claim = make_claim(timeless, facts(fields=fields, body=b"nonce=7"))
    assert isinstance(claim, Claim)
    assert (claim.nonce, claim.signed_at, claim.expires_at) == (b"7", None, None)


def test_a_calendar_time_that_does_not_exist_is_malformed() -> None:
    fields = ((b"553", b"k"), (b"96", b"AAAA"), (b"52", b"20240230-11:17:25"))
    assert _fault(make_claim(_FRAMES, facts(transport=Transport.FIX, fields=fields))) == "auth.malformed"


def test_messages_and_frames_are_never_late() -> None:
    assert _fault(make_claim(_MESSAGES, facts(transport=Transport.WEBSOCKET, body=None))) == "auth.malformed"
    assert _fault(make_claim(_FRAMES, facts(transport=Transport.FIX, body=None))) == "auth.malformed"
