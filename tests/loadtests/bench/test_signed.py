"""Requests signed beforehand: every byte that the gateways of the comparison are given."""

import secrets

import pytest

from loadtests.bench import signed
from loadtests.bench.signed import Kind, requests

_NOW_MS = "1795390828922"
_NONCE = "00112233445566778899aabb"


def test_bench_v1_is_an_hmac_over_timestamp_nonce_method_target_and_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of openssl dgst -sha256 -hmac secret-secret-secret-secret-7"""
    monkeypatch.setattr(secrets, "token_hex", lambda _: _NONCE)
    assert signed.bench_v1("key7", "secret-secret-secret-secret-7", "/api/v3/order", _NOW_MS) == {
        "X-Api-Key": "key7",
        "X-Timestamp": _NOW_MS,
        "X-Nonce": _NONCE,
        "X-Signature": "55e4fd6f619c026074f542087acebd300ebd17185e188f4ee53cafda9a013ef3",
    }


def test_guard_v1_is_what_the_documentation_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of openssl dgst -sha256 -hmac secret-secret-secret-secret-7 -binary | openssl base64 -A"""
    monkeypatch.setattr(secrets, "token_urlsafe", lambda _: "7DhVbV0jBP-4Yk2sQw1xTg")
    fields = signed.guard_v1("key7", "secret-secret-secret-secret-7", "/api/v3/order", _NOW_MS)
    assert fields["Content-Digest"] == "sha-256=:F7ouWw8RjaO0WU8hbiXl8Ov4GiMmAe5pUyT4iPbjeCc=:"
    assert fields["Guard-Signature"] == "UR8yp94Y2dYorn6UrYYClW+Qu7z/ck0h7IdURbzAhsE="


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("profile", ["base", "desk", "real"])
def test_every_request_is_one_of_its_own(kind: Kind, profile: str) -> None:
    made = list(requests(kind, profile, 1001))
    assert len(set(made)) == 1001
    assert all(each.endswith(b"\r\n\r\n" + signed.BODY) and signed.SEPARATOR not in each for each in made)
    assert (b": nobody0\r\n" in made[1000]) is (kind is Kind.UNKNOWN)
