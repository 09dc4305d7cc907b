"""A captured message counts to its holder once, however often somebody else sends it again."""

import sys

import pytest

from guard.model.questions import Identity
from guard.service.echoes import Echoes

_MESSAGE: Identity = ("gk_test", "guard-v1", b"nonce")


def test_the_same_message_counts_once() -> None:
    echoes = Echoes()
    assert [echoes.is_echo(_MESSAGE, admitted=False) for _ in range(3)] == [False, True, True]


def test_that_it_was_admitted_counts_once_though_a_copy_was_refused_before() -> None:
    echoes = Echoes()
    assert [echoes.is_echo(_MESSAGE, admitted=admitted) for admitted in (False, True, True, False)] == [
        *(False, False),
        *(True, True),
    ]


@pytest.mark.parametrize(
    "other",
    [("gk_other", "guard-v1", b"nonce"), ("gk_test", "binance", b"nonce"), ("gk_test", "guard-v1", b"another")],
)
def test_another_message_is_no_echo(other: Identity) -> None:
    echoes = Echoes()
    assert not echoes.is_echo(_MESSAGE, admitted=False)
    assert not echoes.is_echo(other, admitted=False)


def test_a_full_table_forgets_the_eldest() -> None:
    echoes = Echoes(echoes_max=2)
    for nonce in (b"1", b"2", b"3"):
        assert not echoes.is_echo(("gk_test", "guard-v1", nonce), admitted=False)
    assert echoes.is_echo(("gk_test", "guard-v1", b"3"), admitted=False)
    assert not echoes.is_echo(("gk_test", "guard-v1", b"1"), admitted=False)


def test_what_is_kept_of_a_message_is_small_however_long_its_nonce() -> None:
    echoes, nonce = Echoes(), bytes(1_000_000)
    assert not echoes.is_echo(("gk_test", "guard-v1", nonce), admitted=False)
    assert echoes.is_echo(("gk_test", "guard-v1", nonce), admitted=False)
    assert sys.getrefcount(nonce) == 2  # this function's, and that of the question: nothing keeps it
