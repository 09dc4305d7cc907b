"""Which halts are over a message."""

from guard.model.halts import NO_HALTS, HaltId, HaltKind, halts_of
from guard.model.names import AccountId, KeyId
from tests.build import NOW, halt

_KEY, _ACCOUNT = KeyId("gk_1"), AccountId("acme")


def test_a_service_is_under_its_own_halts_and_those_of_everything() -> None:
    own, everything = halt(HaltKind.SERVICE, "spot"), halt()
    halts = halts_of([own, everything, halt(HaltKind.SERVICE, "futures"), halt(HaltKind.ACCOUNT, "spot")])
    assert halts.over_service("spot") == (everything, own)
    assert halts.over_service("other") == (everything,)


def test_a_holder_is_under_the_halts_of_the_key_and_of_its_account_but_no_others() -> None:
    key, account = halt(HaltKind.KEY, "gk_1"), halt(HaltKind.ACCOUNT, "acme")
    halts = halts_of([key, account, halt(HaltKind.KEY, "acme"), halt(HaltKind.ACCOUNT, "gk_1"), halt()])
    assert halts.over_holder(_KEY, _ACCOUNT) == (account, key)
    assert halts.over_holder(KeyId("gk_2"), AccountId("other")) == ()


def test_two_halts_over_one_account_are_both_over_it() -> None:
    first, second = (halt(HaltKind.ACCOUNT, "acme", id=HaltId(each)) for each in ("halt_1", "halt_2"))
    assert halts_of([first, second]).over_holder(_KEY, _ACCOUNT) == (first, second)


def test_what_was_lifted_is_over_nothing_and_without_halts_there_is_one_value() -> None:
    assert halts_of([halt(lifted_at=NOW), halt(HaltKind.KEY, "gk_1", lifted_at=NOW)]) is NO_HALTS
    assert halts_of([]) is NO_HALTS
