import json
from typing import Any

import msgspec
import pytest

from guard.model.claims import Claim
from guard.model.facts import Facts
from guard.model.keys import KeyAlgorithm, Secret
from guard.model.names import KeyId, UnixMs
from guard.signing.coverage import uncovered
from guard.signing.credentials import make_claim
from guard.signing.scheme import Scheme, TimeUnit
from guard.signing.signer import sign
from guard.signing.specimens import specimen
from guard.signing.times import parse_time
from guard.signing.verifying import body_matches, signature_verifies
from guard.signing.writing import CannotSign, Forged, Request, Signer, spelled
from tests.build import NOW, facts, record, scheme
from tests.signing.dialects import KEYED, compiled

_BODY = b'{"symbol":"BTC-USD"}'
_ORDER = Request(
    method="POST",
    path=b"/v1/orders",
    query=b"a=%20&b",
    authority=b"gateway.test",
    fields=((b"content-type", b"application/json"),),
    body=_BODY,
)
_FORM = msgspec.structs.replace(
    _ORDER, query=None, fields=((b"content-type", b"application/x-www-form-urlencoded"),), body=b"symbol=BTCUSD"
)
_QUERY = Request(method="GET", path=b"/api/v3/order", query=b"symbol=BTCUSD", authority=b"gateway.test")
_KEYED = compiled(KEYED)
_BEARER = compiled(
    {
        "transport": "http",
        "guarantee": "none",
        "take": {"credential": ["header:Authorization|bearer"]},
        "algorithms": {"api-key": {"encoding": "raw"}},
        "unbound": ["method", "path", "query", "body", "authority"],
    }
)

_CASES = [
    ("guard-v1", scheme(), KeyAlgorithm.HMAC_SHA256, _ORDER),
    ("guard-v1 ed25519", scheme(), KeyAlgorithm.ED25519, _ORDER),
    ("guard-v1 without body", scheme(), KeyAlgorithm.HMAC_SHA256, _QUERY),
    ("binance query", scheme("binance"), KeyAlgorithm.HMAC_SHA256, _QUERY),
    ("binance ed25519", scheme("binance"), KeyAlgorithm.ED25519, _QUERY),
    ("binance rsa", scheme("binance"), KeyAlgorithm.RSA, _QUERY),
    ("binance form", scheme("binance"), KeyAlgorithm.HMAC_SHA256, _FORM),
    ("api-key", scheme("api-key"), KeyAlgorithm.API_KEY, _ORDER),
    ("bearer", _BEARER, KeyAlgorithm.API_KEY, _QUERY),
    ("items of one field, nonce in JSON", _KEYED, KeyAlgorithm.ECDSA_P256, _ORDER),
    ("items of one field, nonce in a form", _KEYED, KeyAlgorithm.HMAC_SHA512, _FORM),
    (
        "a form where there was no body",
        _KEYED,
        KeyAlgorithm.HMAC_SHA512,
        msgspec.structs.replace(_QUERY, method="POST"),
    ),
]


def _arrived(request: Request) -> Facts:
    return facts(
        request.method,
        request.path,
        query=request.query,
        authority=request.authority,
        fields=request.fields,
        body=request.body,
    )


def _accepted(one: Scheme, algorithm: KeyAlgorithm, request: Request) -> bool:
    message = _arrived(request)
    claim = make_claim(one, message)
    assert isinstance(claim, Claim), claim
    assert (claim.key_id, claim.signed_at) == ("k1", NOW if one.has_time else None)
    assert uncovered(one, message) is None
    holder = record(id=KeyId("k1"), algorithm=algorithm, material=Secret(specimen("k1", algorithm).material))
    return signature_verifies(one, message, claim, holder) and body_matches(one, message)


def _signer(one: Scheme, algorithm: KeyAlgorithm) -> Signer:
    return Signer(scheme=one, key_id=KeyId("k1"), key=specimen("k1", algorithm))


@pytest.mark.parametrize(("one", "algorithm", "request_"), [case[1:] for case in _CASES], ids=[c[0] for c in _CASES])
class TestEachScheme:
    def test_a_signed_request_verifies(self, one: Scheme, algorithm: KeyAlgorithm, request_: Request) -> None:
        assert _accepted(one, algorithm, _signer(one, algorithm).sign(request_, NOW, 1))

    def test_a_spoilt_signature_does_not(self, one: Scheme, algorithm: KeyAlgorithm, request_: Request) -> None:
        assert not _accepted(one, algorithm, _signer(one, algorithm).sign(request_, NOW, 1, "signature"))

    @pytest.mark.parametrize("forged", ["path", "body"])
    def test_another_path_or_body_does_not_unless_the_scheme_leaves_it_free(
        self, one: Scheme, algorithm: KeyAlgorithm, request_: Request, forged: Forged
    ) -> None:
        if forged == "body" and not request_.body:
            return
        accepted = _accepted(one, algorithm, _signer(one, algorithm).sign(request_, NOW, 1, forged))
        assert accepted == (forged in one.unbound)


def test_guard_v1_is_signed_as_its_own_signer_does() -> None:
    key = specimen("k1", KeyAlgorithm.HMAC_SHA256)
    request = _signer(scheme(), KeyAlgorithm.HMAC_SHA256).sign(_ORDER, NOW, 7)
    nonce = dict(request.fields)[b"guard-nonce"]
    assert nonce == b"0001900000000000000007"
    expected = sign(
        key_id="k1",
        secret_or_private=key.secret,
        algorithm=KeyAlgorithm.HMAC_SHA256,
        method="POST",
        authority=b"gateway.test",
        target=b"/v1/orders?a=%20&b",
        body=_BODY,
        now=NOW,
        nonce=nonce.decode(),
    )
    ours = {field for field in request.fields if field[0] != b"content-type"}
    assert ours == {(name.lower(), value) for name, value in expected}


def test_another_number_makes_another_nonce_and_a_greater_one() -> None:
    signer = _signer(_KEYED, KeyAlgorithm.HMAC_SHA512)
    one, other = (json.loads(signer.sign(_ORDER, NOW, number).body)["nonce"] for number in (1, 2))
    assert int(one) < int(other)


@pytest.mark.parametrize("unit", list(TimeUnit))
def test_a_time_is_read_as_it_was_written(unit: TimeUnit) -> None:
    at = UnixMs(NOW + 250)
    read = parse_time(unit, spelled(unit, at))
    assert read == (NOW if unit is TimeUnit.S else at)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"formats": {"timestamp": "[1-9][0-9]{12}", "nonce": "z{3}"}}, "no nonce that could be made up"),
        ({"take": {**KEYED["take"], "venue": ["header:X-Venue"]}}, "wants a venue"),
    ],
)
def test_what_cannot_be_made_up_is_said(changes: dict[str, Any], message: str) -> None:
    one = compiled({**KEYED, "base": KEYED["base"] + ("{venue}" if "take" in changes else "")}, **changes)
    with pytest.raises(CannotSign, match=message):
        _signer(one, KeyAlgorithm.HMAC_SHA512).sign(_ORDER, NOW, 1)


def test_a_key_of_another_kind_or_a_missing_body_is_said() -> None:
    with pytest.raises(CannotSign, match="guard-v1 has no rsa keys"):
        _signer(scheme(), KeyAlgorithm.RSA).sign(_ORDER, NOW, 1)
    with pytest.raises(CannotSign, match="no body to tamper with"):
        _signer(scheme(), KeyAlgorithm.ED25519).sign(_QUERY, NOW, 1, "body")
