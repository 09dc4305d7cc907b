"""Which partition is asked what, and one answer of many."""

from guard.model.names import AccountId, UnixMs
from guard.model.questions import Charge, Granted, Reading, Receipt, Replayed, Short, Unavailable
from guard.state.redis.partitions import Part, Partitions, whole
from tests.contract.limit_store import NOW, by_address, charge, debit, from_address, limit, once

MANY = Partitions(256)
ROUTE = debit(2, by_address(3, "route"), ("exchange", "route", "route", "POST /v1/orders"))


def mixed() -> Charge:
    return charge("a", debit(1), ROUTE, debit(3, bucket=("exchange", "account", "acme")), message=once())


def reading(remaining: int, *, short: bool = False) -> Reading:
    return Reading(limit(), remaining, 5 if short else 0, 1, short=short, cost=1)


def test_one_partition_is_asked_all_in_one_question() -> None:
    asked = mixed()
    assert Partitions(1).parts(asked) == (Part(b"{0}", asked, (0, 1, 2)),)


def test_all_that_is_an_accounts_is_asked_in_one_question_with_its_message() -> None:
    home, apart = MANY.parts(mixed())
    assert home.tag == MANY.of_account(AccountId("acme"))
    assert (home.places, [each.cost for each in home.charge.debits]) == ((0, 2), [1, 3])
    assert home.charge.once == once()
    assert apart.tag != home.tag
    assert (apart.places, apart.charge.debits, apart.charge.id) == ((1,), (ROUTE,), "a/1")
    assert (apart.charge.once, apart.charge.account) == (None, None)


def test_two_limits_of_one_address_are_asked_in_one_question() -> None:
    asked = charge(
        "a",
        debit(1, by_address(), ("exchange", "ip", "ip", "192.0.2.1")),
        debit(1, by_address(9, "weight"), ("exchange", "weight", "ip", "192.0.2.1")),
        account=None,
    )
    assert len(MANY.parts(asked)) == 1


def test_a_question_is_always_asked_of_the_same_partition() -> None:
    assert MANY.parts(from_address("a"))[0].tag == MANY.parts(from_address("b"))[0].tag
    keyed = charge("a", message=once(), account=None)
    assert MANY.parts(keyed)[0].tag == MANY.parts(charge("b", message=once(b"n2"), account=None))[0].tag
    assert MANY.parts(charge("a", account=None))[0].tag == b"{0}"


def test_accounts_are_spread() -> None:
    assert len({MANY.of_account(AccountId(f"account{number}")) for number in range(2_000)}) > 250


def answered(*receipts: Receipt) -> Receipt:
    asked = mixed()
    return whole(asked, MANY.parts(asked), receipts)


def test_what_all_grant_is_granted_and_its_readings_stand_in_order() -> None:
    home, apart = Granted(NOW, (reading(1), reading(3))), Granted(UnixMs(NOW + 1), (reading(2),))
    assert answered(home, apart) == Granted(NOW, (reading(1), reading(2), reading(3)))


def test_what_one_finds_short_is_short() -> None:
    home, apart = Granted(NOW, (reading(1), reading(3))), Short(NOW, (reading(0, short=True),))
    assert answered(home, apart) == Short(NOW, (reading(1), reading(0, short=True), reading(3)))


def test_what_one_does_not_answer_is_not_answered_and_a_replay_is_one() -> None:
    granted, gone = Granted(NOW, (reading(2),)), Unavailable("gone")
    assert answered(Replayed(NOW, NOW), granted) == Replayed(NOW, NOW)
    assert answered(Granted(NOW, (reading(1), reading(3))), gone) == gone
