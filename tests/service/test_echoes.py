"""A captured message counts to its holder once, however often somebody else sends it again."""

import sys

import pytest

from guard.model.questions import Identity
from guard.service.echoes import Echoes

_MESSAGE: Identity = ("gk_test", "guard-v1", b"nonce")


def test_the_same_message_counts_once() -> None:
    echoes = Echoes()
    assert [echoes.is_echo(_MESSAGE) for _ in range(3)] == [False, True, True]


@pytest.mark.parametrize(
    "other",
    [("gk_other", "guard-v1", b"nonce"), ("gk_test", "binance", b"nonce"), ("gk_test", "guard-v1", b"another")],
)
def test_another_message_is_no_echo(other: Identity) -> None:
    echoes = Echoes()
    assert not echoes.is_echo(_MESSAGE)
    assert not echoes.is_echo(other)


def test_a_full_table_forgets_the_eldest() -> None:
    echoes = Echoes(echoes_max=2)
    for nonce in (b"1", b"2", b"3"):
        assert not echoes.is_echo(("gk_test", "guard-v1", nonce))
    assert echoes.is_echo(("gk_test", "guard-v1", b"3"))
    assert not echoes.is_echo(("gk_test", "guard-v1", b"1"))


def test_what_is_kept_of_a_message_is_small_however_long_its_nonce() -> None:
    echoes, nonce = Echoes(), bytes(1_000_000)
    assert not echoes.is_echo(("gk_test", "guard-v1", nonce))
    assert echoes.is_echo(("gk_test", "guard-v1", nonce))
    assert sys.getrefcount(nonce) == 2  # this function's, and that of the question: nothing keeps it
