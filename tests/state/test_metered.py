"""A timed store answers as the one that it times, and each answer is told once."""

import asyncio
from types import SimpleNamespace

import pytest

import guard.state.metered
from guard.model.names import AccountId, KeyId, UnixMs
from guard.model.questions import (
    BeforeEpoch,
    Charge,
    Granted,
    Receipt,
    Replayed,
    Revoked,
    Short,
    Unavailable,
)
from guard.state.memory import MemoryLimits
from guard.state.metered import MeteredLimits
from guard.telemetry.meter import Meter

_NOW = UnixMs(1_000)
_CHARGE = Charge(id="a", now=_NOW)
_ANSWERS: dict[str, Receipt] = {
    "granted": Granted(_NOW, ()),
    "short": Short(_NOW, ()),
    "replayed": Replayed(_NOW, _NOW),
    "before_epoch": BeforeEpoch(_NOW, _NOW),
    "revoked": Revoked(_NOW),
    "unavailable": Unavailable("redis: not connected"),
}


class _Store(MemoryLimits):
    """Answers what it is told to, at once or later; remembers what was given back."""

    def __init__(self, answer: "Receipt | asyncio.Future[Receipt]") -> None:
        super().__init__(UnixMs(7))
        self.answer = answer
        self.stands = True
        self.given: list[str] = []

    def ask(self, charge: Charge) -> "Receipt | asyncio.Future[Receipt]":  # type: ignore[override]
        assert charge is _CHARGE
        return self.answer

    async def repay(self, charge: Charge) -> Receipt:
        assert charge is _CHARGE
        return self.answer if not isinstance(self.answer, asyncio.Future) else await self.answer

    async def refund(self, charge: Charge) -> None:
        self.given.append(f"refund {charge.id}")

    async def release(self, charge: Charge) -> None:
        self.given.append(f"release {charge.id}")

    async def bury(self, account: AccountId, key_id: KeyId, until: UnixMs) -> bool:
        assert (account, key_id, until) == ("acme", "k", 9)
        return self.stands


def _told(meter: Meter) -> dict[tuple[str, ...], int]:
    """How often each pair of operation and outcome was told."""
    timings = meter.tally().timings
    return {key[1:]: sum(timing[:-1]) for key, timing in timings.items() if key[0] == "guard_store_op_seconds"}


@pytest.mark.parametrize("outcome", _ANSWERS)
async def test_an_answer_that_is_waited_for_is_told_with_its_kind_and_time(
    outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(perf_counter_ns=iter((5_000, 1_905_999)).__next__)
    monkeypatch.setattr(guard.state.metered, "time", clock)
    answer: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
    meter = Meter()
    store = MeteredLimits(_Store(answer), meter)
    asyncio.get_running_loop().call_soon(answer.set_result, _ANSWERS[outcome])
    assert await store.charge(_CHARGE) is _ANSWERS[outcome]
    assert _told(meter) == {("charge", outcome): 1}
    assert meter.tally().timings["guard_store_op_seconds", "charge", outcome][-1] == 1_900


async def test_at_once_only_what_is_not_answered_is_told() -> None:
    meter = Meter()
    assert MeteredLimits(_Store(_ANSWERS["short"]), meter).ask(_CHARGE) == _ANSWERS["short"]
    assert _told(meter) == {}
    assert await MeteredLimits(_Store(_ANSWERS["unavailable"]), meter).charge(_CHARGE) == _ANSWERS["unavailable"]
    assert _told(meter) == {("charge", "unavailable"): 1}


async def test_a_question_whose_asker_has_left_is_told_as_abandoned() -> None:
    answer: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
    meter = Meter()
    MeteredLimits(_Store(answer), meter).ask(_CHARGE)
    answer.cancel()
    await asyncio.sleep(0)
    assert _told(meter) == {("charge", "abandoned"): 1}


async def test_the_rest_is_passed_on_and_told_where_it_is_awaited() -> None:
    meter, store = Meter(), _Store(_ANSWERS["granted"])
    metered = MeteredLimits(store, meter)
    assert metered.born_at == 7
    assert await metered.repay(_CHARGE) == _ANSWERS["granted"]
    await metered.refund(_CHARGE)
    await metered.settle(_CHARGE, ())
    await metered.release(_CHARGE)
    assert store.given == ["refund a", "refund a", "release a"]
    assert await metered.bury(AccountId("acme"), KeyId("k"), UnixMs(9))
    store.stands = False
    assert not await metered.bury(AccountId("acme"), KeyId("k"), UnixMs(9))
    assert _told(meter) == {("repay", "granted"): 1, ("bury", "granted"): 1, ("bury", "unavailable"): 1}
