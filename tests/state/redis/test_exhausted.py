"""What is known to be exhausted, and for how long."""

import msgspec
import pytest

from guard.model.names import UnixMs
from guard.model.questions import Charge, Debit, Reading, Short
from guard.state.redis import exhausted
from guard.state.redis.exhausted import Exhausted
from tests.contract.limit_store import NOW, by_address, charge, debit

IP = by_address()


def asked(
    cost: int = 4,
    *,
    now: int = NOW,
    limit: int = 0,
    address: str = "192.0.2.1",
    vetoes: bool = True,
    spare: int = 2,
) -> Charge:
    rule, bucket = by_address(limit) if limit else IP, ("exchange", "ip", "ip", address)
    one = debit(cost, rule, bucket, vetoes=vetoes, spare=spare)
    return charge("a", one, now=now, account=None, key_id=None)


def short(cost: int = 4, wait_ms: int | None = 1700, *, vetoes: bool = True) -> Short:
    return Short(NOW, (Reading(IP, 2, wait_ms, 700, short=True, cost=cost, vetoes=vetoes, spare=2),))


def known() -> Exhausted:
    knows = Exhausted()
    knows.learn(asked(), short())
    return knows


def test_an_address_is_refused_until_its_wait_is_over_and_told_what_is_left_of_it() -> None:
    knows = known()
    refused = knows.refusal(asked(now=NOW + 1000))
    assert refused == Short(UnixMs(NOW + 1000), (Reading(IP, 2, 700, 0, short=True, cost=4, spare=2),))
    assert knows.refusal(asked(now=NOW + 1699)) is not None
    assert knows.refusal(asked(now=NOW + 1700)) is None
    assert len(knows) == 0


@pytest.mark.parametrize(
    "other",
    [asked(3), asked(limit=11), asked(address="192.0.2.2"), asked(vetoes=False), asked(now=NOW - 1), asked(spare=0)],
    ids=["cheaper", "another rule", "another address", "shadow", "earlier", "critical"],
)
def test_what_is_not_sure_is_asked(other: Charge) -> None:
    assert known().refusal(other) is None


def test_a_dearer_request_is_refused_as_well() -> None:
    assert known().refusal(asked(5)) is not None


@pytest.mark.parametrize("said", [short(wait_ms=None), short(vetoes=False)])
def test_nothing_is_learnt_from_what_never_fits_or_never_vetoes(said: Short) -> None:
    knows = Exhausted()
    knows.learn(asked(), said)
    assert len(knows) == 0


def test_what_had_room_beside_it_is_told_as_it_was() -> None:
    weight = by_address(100, "weight")
    free: Debit = debit(1, weight, ("exchange", "weight", "ip", "192.0.2.1"))
    both = msgspec.structs.replace(asked(), debits=(*asked().debits, free))
    knows = Exhausted()
    room = Reading(weight, 50, 0, 20, short=False, cost=1)
    knows.learn(both, Short(NOW, (*short().readings, room)))
    refused = knows.refusal(msgspec.structs.replace(both, now=UnixMs(NOW + 10)))
    assert refused is not None
    assert refused.readings[1] == room
    assert knows.refusal(asked()) is None


def test_what_is_known_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exhausted, "_KNOWN_MAX", 4)
    knows = Exhausted()
    for number in range(10):
        knows.learn(asked(address=f"192.0.2.{number}"), short())
    assert len(knows) <= 4
    assert knows.refusal(asked(address="192.0.2.9")) is not None
