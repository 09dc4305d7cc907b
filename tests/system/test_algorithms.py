"""The key says which algorithm counts, and a signature has one spelling (BYPASSES.md A29, A30, A47; THREATS.md S7)."""

import hashlib
import hmac
import random
from base64 import b64decode, b64encode, urlsafe_b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from nacl.signing import SigningKey

from guard.model.claims import Claim
from guard.model.keys import KeyAlgorithm, KeyRecord, Secret
from guard.model.names import UnixMs
from guard.signing.algorithms import PEPPER_BYTES, api_key_hash
from guard.signing.signer import string_to_sign
from guard.signing.tokens import mint_secret
from guard.signing.verifying import signature_verifies
from tests.build import facts, record, scheme
from tests.system.gateway import RunningGateway
from tests.system.key_holder import changed, new_nonce, signed_fields, wall_ms
from tests.system.raw_http import Connection, message

pytestmark = pytest.mark.system

_ORDER = 2**252 + 27742317777372353535851937790883648493


def _signature(gateway: RunningGateway, name: str) -> tuple[list[tuple[bytes, bytes]], bytes]:
    fields = signed_fields(gateway.keys[name], "GET", "/v1/orders")
    return fields, b64decode(dict(fields)[b"Guard-Signature"])


def test_a29_a_public_key_is_no_hmac_secret(gateway: RunningGateway) -> None:
    """A29: in every form in which the public key is published."""
    key = gateway.keys["ed25519"]
    raw = bytes(SigningKey(key.secret).verify_key)
    public = Ed25519PublicKey.from_public_bytes(raw)
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for secret in (raw, raw.hex().encode(), b64encode(raw), pem, pem.strip(), der, b""):
        now, nonce = UnixMs(wall_ms()), new_nonce()
        base = string_to_sign(
            key_id=key.id, method="GET", authority=b"gateway.test", target=b"/v1/orders",
            content_digest=b"", now=now, nonce=nonce,
        )  # fmt: skip
        fields = [
            (b"Host", b"gateway.test"),
            (b"Guard-Key", key.id.encode()),
            (b"Guard-Timestamp", b"%d" % now),
            (b"Guard-Nonce", nonce.encode()),
            (b"Guard-Signature", b64encode(hmac.digest(secret, base, "sha256"))),
        ]
        gateway.assert_refused(message("GET", "/v1/orders", fields), 401, "auth.invalid")
    assert gateway.ask(gateway.signed("GET", "/v1/orders", key="ed25519")).status == 200


@pytest.mark.parametrize("name", [b"Guard-Algorithm", b"Guard-Alg", b"alg", b"Algorithm", b"Signature-Input"])
def test_a29_the_request_chooses_no_algorithm(gateway: RunningGateway, name: bytes) -> None:
    """Whatever it says: what was not signed as the key demands does not verify, and what was is not hindered."""
    for value in (b"none", b"None", b"", b"hmac-sha1", b"HMAC-SHA256", b"ed25519", b"sig1=();alg=none", b"hs256"):
        fields, _ = _signature(gateway, "trader")
        forged = [(name, value), *changed(fields, b"Guard-Signature", b64encode(bytes(32)))]
        gateway.assert_refused(message("GET", "/v1/orders", forged), 401, "auth.invalid")
    fields, _ = _signature(gateway, "trader")
    assert gateway.ask(message("GET", "/v1/orders", [(name, b"none"), *fields])).status == 200


def test_a29_a_weaker_hash_of_the_right_secret_does_not_verify(gateway: RunningGateway) -> None:
    key = gateway.keys["trader"]
    for digest in ("sha1", "md5", "sha384", "sha512", "sha224"):
        now, nonce = UnixMs(wall_ms()), new_nonce()
        base = string_to_sign(
            key_id=key.id, method="GET", authority=b"gateway.test", target=b"/v1/orders",
            content_digest=b"", now=now, nonce=nonce,
        )  # fmt: skip
        for signature in (hmac.digest(key.secret, base, digest), hashlib.new(digest, key.secret + base).digest()):
            fields = [
                (b"Host", b"gateway.test"),
                (b"Guard-Key", key.id.encode()),
                (b"Guard-Timestamp", b"%d" % now),
                (b"Guard-Nonce", nonce.encode()),
                (b"Guard-Signature", b64encode(signature)),
            ]
            gateway.assert_refused(message("GET", "/v1/orders", fields), 401, "auth.invalid")


def test_a29_a_route_that_names_its_algorithms_takes_no_other(gateway: RunningGateway) -> None:
    """And does not tell that the key exists, with another algorithm."""
    gateway.assert_refused(gateway.signed("POST", "/v1/asymmetric"), 401, "auth.invalid")
    gateway.assert_forwarded(gateway.signed("POST", "/v1/asymmetric", key="ed25519"))
    gateway.assert_refused(gateway.signed("GET", "/v1/orders", key="bare"), 401, "auth.missing")


def test_a29_a_bare_key_of_another_kind_opens_nothing(gateway: RunningGateway) -> None:
    """The secret of an HMAC key, sent as a bare key; and its id with a bare key's secret."""
    trader, bare = gateway.keys["trader"], gateway.keys["bare"]
    for credential in (trader.credential, trader.id.encode() + b"." + bare.secret):
        fields = [(b"Host", b"gateway.test"), (b"Guard-Api-Key", credential)]
        gateway.assert_refused(message("GET", "/v1/prices", fields), 401, "auth.invalid")


@pytest.mark.parametrize("name", ["trader", "ed25519"])
def test_a30_a_signature_has_one_spelling(gateway: RunningGateway, name: str) -> None:
    """A30, S7: empty, truncated, over-long, other alphabets, misplaced or missing padding, unused bits, white space."""
    fields, raw = _signature(gateway, name)
    good = b64encode(raw)
    tail = {b"A": b"B", b"Q": b"R", b"g": b"h", b"w": b"x"}
    bent = good[:-3] + tail[good[-3:-2]] + b"==" if good.endswith(b"==") else good[:-2] + bytes([good[-2] + 1]) + b"="
    wrong = [
        *(b"=", b"====", b"A", good[:-4], good[:-1], good.rstrip(b"="), good + b"=", good + b"AAAA", good + good),
        *(bent, good[:8] + b" " + good[8:], good[:8] + b"=" + good[8:], raw.hex().encode(), b'"' + good + b'"'),
        *(b":" + good + b":", b64encode(raw[:-1]), b64encode(raw + b"\x00"), b64encode(b"\x00" + raw), good.lower()),
        *(b64encode(bytes(len(raw))), b64encode(b"\xff" * len(raw)), b64encode(raw[:16]), b64encode(raw * 2)),
        urlsafe_b64encode(b"\xfb" * len(raw)),
    ]
    with gateway.nothing_forwarded():
        for value in wrong:
            response = gateway.ask(message("GET", "/v1/orders", changed(fields, b"Guard-Signature", value)))
            assert (response.status, response.code) in [(401, "auth.invalid"), (401, "auth.malformed")], value
    assert gateway.ask(message("GET", "/v1/orders", fields)).status == 200


def test_s7_an_ed25519_signature_cannot_be_bent_into_another(gateway: RunningGateway) -> None:
    """S + L is the same signature to a lenient verifier, and would be another text for a replay."""
    fields, raw = _signature(gateway, "ed25519")
    bent = raw[:32] + (int.from_bytes(raw[32:], "little") + _ORDER).to_bytes(32, "little")
    for value in (bent, raw[:32] + bytes(32), bytes(32) + raw[32:], raw[32:] + raw[:32]):
        sent = changed(fields, b"Guard-Signature", b64encode(value))
        gateway.assert_refused(message("GET", "/v1/orders", sent), 401, "auth.invalid")


def test_a30_an_empty_secret_is_refused_by_the_keyring(gateway: RunningGateway) -> None:
    """A key that anyone can sign for cannot be loaded."""
    with pytest.raises(Exception, match="an hmac-sha256 key needs its secret"):
        gateway.guard("keys", "import", "--id", "empty", "--account", "a", "--secret-stdin", stdin=b"\n")


def test_a47_no_mutilated_bare_key_opens_anything(gateway: RunningGateway) -> None:
    """A47: truncated, extended at either end, one character changed, and the id alone; over one socket."""
    credential = gateway.keys["bare"].credential
    draw = random.Random(47)  # noqa: S311  # a seed, so that a failure can be repeated
    mutilated = [credential[:length] for length in range(1, len(credential))]
    mutilated += [credential[length:] for length in range(1, len(credential))]
    for _ in range(400):
        grown = bytes(draw.choice(b"abcdefghijklmnopqrstuvwxyz0123456789-_.") for _ in range(draw.randint(1, 3)))
        mutilated += [credential + grown, grown + credential]
    for position in range(len(credential)):
        other = b"a" if credential[position : position + 1] != b"a" else b"b"
        mutilated.append(credential[:position] + other + credential[position + 1 :])
    with gateway.nothing_forwarded(), Connection(gateway.port) as connection:
        for value in mutilated:
            fields = [(b"Host", b"gateway.test"), (b"Guard-Api-Key", value)]
            response = connection.ask(message("GET", "/v1/prices", fields))
            assert response.status == 401, value


def test_a47_no_mutilated_bare_key_verifies_in_100_000_tries() -> None:
    """The same without a socket: suffixes, prefixes and truncations of 1 to 3 bytes, and of the empty secret."""
    draw = random.Random(4747)  # noqa: S311
    secret = mint_secret(draw.randbytes(32)).encode()
    pepper = draw.randbytes(PEPPER_BYTES)
    held: KeyRecord = record(algorithm=KeyAlgorithm.API_KEY, material=Secret(pepper + api_key_hash(pepper, secret)))
    schema, message_facts = scheme("api-key"), facts("GET", b"/v1/prices")

    def verifies(offered: bytes) -> bool:
        claim = Claim(scheme="api-key", key_id=held.id, signature=offered)
        return signature_verifies(schema, message_facts, claim, held)

    assert verifies(secret)
    assert not verifies(b"")
    accepted = 0
    for _ in range(33_000):
        extra = draw.randbytes(draw.randint(1, 3))
        cut = draw.randint(1, 3)
        accepted += (
            verifies(secret + extra) + verifies(extra + secret) + verifies(secret[cut:] if cut & 1 else secret[:-cut])
        )
    assert accepted == 0
