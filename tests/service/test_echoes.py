"""A captured message counts to its holder once, however often somebody else sends it again."""

import sys
from typing import Any

import pytest

from guard.model.claims import Claim
from guard.model.names import KeyId, UnixMs
from guard.service.echoes import Echoes

_KEY = KeyId("gk_test")


def _claim(**changes: Any) -> Claim:
    fields: dict[str, Any] = {"scheme": "guard-v1", "key_id": _KEY, "signature": b"s", "signed_at": UnixMs(1)}
    return Claim(**{**fields, **changes})


@pytest.mark.parametrize("admitted", [False, True])
def test_a_message_without_a_nonce_counts_once(admitted: bool) -> None:  # noqa: FBT001
    echoes = Echoes()
    assert [echoes.is_echo(_KEY, _claim(), b"", admitted=admitted) for _ in range(3)] == [False, True, True]


def test_a_message_that_was_refused_before_its_nonce_was_spent_counts_once() -> None:
    echoes = Echoes()
    assert [echoes.is_echo(_KEY, _claim(nonce=b"n"), b"", admitted=False) for _ in range(2)] == [False, True]


def test_what_was_admitted_with_a_nonce_cannot_come_again() -> None:
    echoes = Echoes()
    assert [echoes.is_echo(_KEY, _claim(nonce=b"n"), b"", admitted=True) for _ in range(2)] == [False, False]


def test_a_scheme_without_time_tells_nothing_apart() -> None:
    echoes = Echoes()
    assert [echoes.is_echo(_KEY, _claim(signed_at=None), b"", admitted=False) for _ in range(2)] == [False, False]


@pytest.mark.parametrize(
    ("key", "claim", "body"),
    [
        (KeyId("gk_other"), _claim(), b"a"),
        (_KEY, _claim(signature=b"t"), b"a"),
    ],
)
def test_another_message_is_no_echo(key: KeyId, claim: Claim, body: bytes) -> None:
    echoes = Echoes()
    assert not echoes.is_echo(_KEY, _claim(), b"a", admitted=False)
    assert not echoes.is_echo(key, claim, body, admitted=False)


def test_what_is_signed_in_the_body_is_told_by_the_body() -> None:
    echoes, late = Echoes(), _claim(signature=b"", signed_at=None, late=True)
    found = [echoes.is_echo(_KEY, late, body, admitted=False) for body in (b"a", b"b", b"a", None, None)]
    assert found == [False, False, True, False, True]


def test_a_full_table_forgets_the_eldest() -> None:
    echoes = Echoes(echoes_max=2)
    for signature in (b"1", b"2", b"3"):
        assert not echoes.is_echo(_KEY, _claim(signature=signature), b"", admitted=False)
    assert echoes.is_echo(_KEY, _claim(signature=b"3"), b"", admitted=False)
    assert not echoes.is_echo(_KEY, _claim(signature=b"1"), b"", admitted=False)


def test_what_is_kept_of_a_message_is_small_however_large_its_body() -> None:
    echoes, late = Echoes(), _claim(signature=b"", signed_at=None, late=True)
    body = bytes(1_000_000)
    assert not echoes.is_echo(_KEY, late, body, admitted=False)
    assert echoes.is_echo(_KEY, late, body, admitted=False)
    assert sys.getrefcount(body) == 2  # this function's, and that of the question: nothing keeps it
