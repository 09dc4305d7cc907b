import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.signing.tokens import (
    KEY_ID,
    is_admin_token,
    looks_mistyped,
    mint_admin_token,
    mint_id,
    mint_key_id,
    mint_secret,
    split_credential,
)

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def test_ids_and_secrets_have_a_prefix_a_fixed_length_and_a_checksum() -> None:
    key_id, secret = mint_key_id(bytes(20)), mint_secret(bytes(32))
    assert key_id[:19] == "gk_" + "0" * 16
    assert secret[:46] == "gs_" + "0" * 43
    for token, digits in ((key_id, 16), (secret, 43)):
        checksum = zlib.crc32(token[: 3 + digits].encode())
        written = sum(_DIGITS.index(digit) * 62 ** (5 - place) for place, digit in enumerate(token[-6:]))
        assert checksum == written
        assert len(token) == 3 + digits + 6


def test_a_secret_keeps_all_of_its_randomness() -> None:
    highest = mint_secret(b"\xff" * 32)
    assert sum(_DIGITS.index(digit) * 62 ** (42 - place) for place, digit in enumerate(highest[3:46])) == 2**256 - 1


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_too_little_randomness_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="exactly"):
        mint_key_id(bytes(length))
    with pytest.raises(ValueError, match="exactly"):
        mint_secret(bytes(length))


@given(st.binary(min_size=32, max_size=32), st.integers(0, 51), st.sampled_from(_DIGITS))
def test_any_single_wrong_character_is_noticed(random: bytes, at: int, digit: str) -> None:
    secret = mint_secret(random)
    assert not looks_mistyped(secret)
    mistyped = secret[:at] + digit + secret[at + 1 :]
    assert looks_mistyped(mistyped) == (mistyped != secret and mistyped.startswith(("gs_", "gk_")))


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1], lambda t: t + "0", lambda t: t + "\n", lambda t: t[:3], lambda t: t + "é"]
)
def test_a_token_of_another_length_is_mistyped(change: object) -> None:
    assert looks_mistyped(change(mint_key_id(bytes(20))))  # type: ignore[operator]


@pytest.mark.parametrize(
    "text", ["", "an-imported-id", "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"]
)
def test_what_is_not_ours_is_not_mistyped(text: str) -> None:
    assert not looks_mistyped(text)


def test_minted_ids_are_key_ids() -> None:
    assert re.fullmatch(KEY_ID, mint_key_id(b"\xff" * 20))


@pytest.mark.parametrize(
    ("credential", "parts"),
    [
        (b"id.secret", ("id", b"secret")),
        (b"i.d.secret", ("i.d", b"secret")),
        (b"org/a:b@c-d_e.s!", ("org/a:b@c-d_e", b"s!")),
    ],
)
def test_a_credential_is_split_at_the_last_dot(credential: bytes, parts: tuple[str, bytes]) -> None:
    assert split_credential(credential) == parts


@pytest.mark.parametrize(
    "credential", [b"", b".", b"id", b"id.", b".secret", b"-id.s", b"i d.s", b"id.s s", b"id.\xff", b"\xe9.s", b"i\n.s"]
)
def test_a_credential_without_an_id_and_a_secret_is_none(credential: bytes) -> None:
    assert split_credential(credential) is None


def test_an_administrators_token_has_its_own_prefix_and_a_checksum() -> None:
    token = mint_admin_token(bytes(range(32)))
    assert token.startswith("ga_")
    assert len(token) == 52
    assert is_admin_token(token)
    assert not looks_mistyped(token)
    for wrong in (token[:-1], f"{token}0", token[:-1] + "-", token.replace("ga_", "gs_"), token.swapcase(), ""):
        assert not is_admin_token(wrong)
    mistyped = token[:10] + ("0" if token[10] != "0" else "1") + token[11:]
    assert not is_admin_token(mistyped)
    assert looks_mistyped(mistyped)


def test_ids_of_other_things_differ_by_prefix_and_randomness() -> None:
    assert mint_id("gt_", bytes(20)).startswith("gt_")
    assert mint_id("gt_", bytes(20)) != mint_id("gt_", bytes([1] * 20))
    with pytest.raises(ValueError, match="20 random bytes"):
        mint_id("gt_", bytes(19))
