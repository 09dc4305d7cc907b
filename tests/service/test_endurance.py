import asyncio
from typing import Any

import pytest

from guard.model.names import UnixMs
from guard.model.policy import Loss, OnLoss
from guard.model.questions import Charge, Debit, Granted, Once, Receipt, Replayed, Short, Unavailable
from guard.service.endurance import Endurance
from guard.state.memory import MemoryLimits
from guard.state.share import LocalShare
from tests.contract.limit_store import BORN, NOW, debit, limit, once, remaining

HALF = Loss(OnLoss.LOCAL, OnLoss.LOCAL, 50)
GONE = Unavailable("gone")


class Shared(MemoryLimits):
    """A store that can be lost. `took` says that it takes what it is asked, and only its answers are lost."""

    def __init__(self) -> None:
        super().__init__(BORN)
        self.lost = self.took = False
        self.repaid: list[str] = []

    async def charge(self, charge: Charge) -> Receipt:
        receipt = await super().charge(charge) if self.took or not self.lost else GONE
        return GONE if self.lost else receipt

    async def repay(self, charge: Charge) -> Receipt:
        if self.lost:
            return GONE
        self.repaid.append(charge.id)
        return await super().repay(charge)


class Pair:
    """The shared store, and one process before it."""

    def __init__(self, shared: Shared | None = None, processes: int = 1) -> None:
        self.shared = Shared() if shared is None else shared
        self.heard: list[str] = []
        self.store = Endurance(self.shared, LocalShare(BORN), lambda: processes, heard=self.heard.append)

    async def ask(self, name: str, *debits: Debit, message: Once | None = None, **changes: Any) -> Receipt:
        return await self.store.charge(charge(name, *debits, message=message, **changes))


def charge(name: str, *debits: Debit, message: Once | None = None, now: int = NOW, loss: Loss = HALF) -> Charge:
    return Charge(id=name, now=UnixMs(now), once=message, debits=debits, loss=loss)


async def test_store_that_answers_decides_alone() -> None:
    pair = Pair()
    assert isinstance(await pair.ask("a", debit(10)), Granted)
    assert isinstance(await pair.ask("b", debit(1)), Short)
    assert pair.store.born_at == BORN
    assert pair.heard == []


async def test_policy_that_says_deny_is_obeyed() -> None:
    pair = Pair()
    await pair.ask("a", debit())
    pair.shared.lost = True
    denied = Loss(OnLoss.DENY, OnLoss.LOCAL, 50)
    assert await pair.ask("b", debit(), message=once(), loss=denied) == GONE
    assert pair.heard == []


async def test_process_goes_on_with_its_part_and_says_so() -> None:
    pair = Pair(processes=2)
    await pair.ask("a", debit(2))
    pair.shared.lost = True
    answers = [type(await pair.ask(f"b{number}", debit(1))) for number in range(3)]
    assert answers == [Granted, Granted, Short]  # a quarter of the eight that were left
    assert pair.heard == ["limits"] * 3


async def test_process_that_never_had_an_answer_has_no_part() -> None:
    pair = Pair()
    pair.shared.lost = True
    assert isinstance(await pair.ask("a", debit()), Unavailable)


async def test_what_was_granted_meanwhile_is_told_when_the_store_is_back() -> None:
    pair = Pair()
    await pair.ask("a", debit(0))
    pair.shared.lost = True
    await pair.ask("b", debit(4))
    pair.shared.lost = False
    await pair.ask("c", debit(0))
    await pair.store.close()
    assert remaining(await pair.ask("d", debit(0))) == [6]


async def test_charge_whose_answer_was_lost_is_paid_once() -> None:
    pair = Pair()
    await pair.ask("a", debit(0))
    pair.shared.lost = pair.shared.took = True
    await pair.ask("b", debit(4))
    pair.shared.lost = False
    await pair.ask("c", debit(0))
    await pair.store.close()
    assert remaining(await pair.ask("d", debit(0))) == [6]


async def test_what_cannot_be_told_waits_for_the_next_return() -> None:
    pair = Pair()
    await pair.ask("a", debit(0))
    pair.shared.lost = True
    for number in range(100):
        await pair.ask(f"b{number}", message=once(b"n%d" % number))
    pair.shared.lost = False
    await pair.ask("c")
    pair.shared.lost = True
    await pair.store.close()
    assert pair.shared.repaid == []
    pair.shared.lost = False
    await pair.ask("d")
    await pair.store.close()
    assert sorted(pair.shared.repaid) == sorted(f"b{number}" for number in range(100))


@pytest.mark.parametrize("told", [False, True])
async def test_message_that_passed_here_does_not_pass_again_when_the_store_is_back(told: bool) -> None:  # noqa: FBT001
    pair = Pair()
    await pair.ask("a")
    pair.shared.lost = True
    assert isinstance(await pair.ask("b", message=once()), Granted)
    assert isinstance(await pair.ask("c", message=once()), Replayed)
    pair.shared.lost = False
    if told:
        await pair.ask("d")
        await pair.store.close()
        assert isinstance(await pair.shared.charge(charge("other process", message=once())), Replayed)
    assert isinstance(await pair.ask("e", message=once()), Replayed)


async def test_message_that_the_store_took_does_not_pass_here() -> None:
    pair = Pair()
    await pair.ask("a", message=once())
    pair.shared.lost = True
    assert isinstance(await pair.ask("b", message=once()), Replayed)


async def test_refund_of_what_was_granted_here_is_never_told() -> None:
    pair = Pair()
    await pair.ask("a", debit(0))
    pair.shared.lost = True
    spent = charge("b", debit(4))
    await pair.store.charge(spent)
    await pair.store.refund(spent)
    pair.shared.lost = False
    await pair.ask("c", debit(0))
    await pair.store.close()
    assert pair.shared.repaid == []


async def test_refund_and_release_reach_the_store() -> None:
    pair = Pair()
    spent = charge("a", debit(4))
    await pair.store.charge(spent)
    await pair.store.refund(spent)
    await pair.store.release(spent)
    assert remaining(await pair.ask("b", debit(0))) == [10]
    assert isinstance(await pair.store.repay(charge("c", debit(3))), Granted)
    assert remaining(await pair.ask("d", debit(0))) == [7]


async def test_several_processes_give_out_their_parts_of_one_limit() -> None:
    shared, of = Shared(), limit(capacity=100, refill_tokens=1, period_ms=100_000)
    fleet = [Pair(shared, processes=4) for _ in range(4)]
    for pair in fleet:
        await pair.ask("a", debit(0, of))
    shared.lost = True
    answers = await asyncio.gather(
        *(pair.ask(f"{one}-{number}", debit(1, of)) for one, pair in enumerate(fleet) for number in range(50))
    )
    assert sum(isinstance(answer, Granted) for answer in answers) == 48  # 4 × 12, at most half of 100


async def test_what_is_settled_reaches_the_store_that_took_it() -> None:
    pair = Pair()
    spent = charge("a", debit(4))
    await pair.store.charge(spent)
    await pair.store.settle(spent, (1,))
    assert remaining(await pair.ask("b", debit(0))) == [9]


async def test_what_was_granted_here_is_settled_here_and_told_as_it_was_found() -> None:
    pair = Pair()
    await pair.ask("a", debit(0))
    pair.shared.lost = True
    spent = charge("b", debit(4))
    await pair.store.charge(spent)
    await pair.store.settle(spent, (1,))
    pair.shared.lost = False
    await pair.ask("c", debit(0))
    await pair.store.close()
    assert remaining(await pair.ask("d", debit(0))) == [9]
