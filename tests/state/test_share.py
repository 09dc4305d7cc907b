from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.model.names import UnixMs
from guard.model.policy import Bucket, Calendar, Limit, Loss, OnLoss, Slots
from guard.model.questions import (
    BeforeEpoch,
    Charge,
    Debit,
    Granted,
    Once,
    Reading,
    Receipt,
    Replayed,
    Short,
    Unavailable,
)
from guard.state.share import LocalShare
from tests.contract.limit_store import BORN, NOW, debit, limit, metered, once

HALF = Loss(OnLoss.LOCAL, OnLoss.LOCAL, 50)


def charge(name: str, *debits: Debit, now: int = NOW, message: Once | None = None, **changes: Any) -> Charge:
    return Charge(id=name, now=UnixMs(now), once=message, debits=debits, **{"loss": HALF, **changes})


def lost(processes: int = 1, at: int = NOW, **sizes: int) -> LocalShare:
    share = LocalShare(BORN, **sizes)
    share.lose(processes, UnixMs(at))
    return share


def admitted(share: LocalShare, of: Limit, *, now: int = NOW, most: int = 1000, cost: int = 1) -> int:
    asked = (share.charge(charge(f"{now}-{number}", debit(cost, of), now=now)) for number in range(most))
    return sum(isinstance(answer, Granted) for answer in asked)


def seen(share: LocalShare, of: Limit, left: int, now: int = NOW) -> None:
    share.observe(charge("seen", debit(1, of), now=now), Granted(UnixMs(now), (Reading(of, left, 0, 0, False, 1),)))  # noqa: FBT003


@pytest.mark.parametrize(("processes", "part"), [(1, 50), (2, 25), (3, 16), (50, 1), (60, 0)])
def test_one_process_gives_out_its_equal_part(processes: int, part: int) -> None:
    assert admitted(lost(processes), limit(capacity=100)) == part


def test_part_refills_at_its_part_of_the_rate() -> None:
    share, of = lost(2), limit(capacity=100, refill_tokens=40, period_ms=1000)
    assert admitted(share, of) == 25
    assert admitted(share, of, now=NOW + 999) == 9
    assert admitted(share, of, now=NOW + 1000) == 1


def test_part_of_less_than_a_token_is_saved_up() -> None:
    share, of = lost(8), limit(capacity=10, refill_tokens=16, period_ms=1000)
    assert [admitted(share, of, now=NOW + ms) for ms in (0, 999, 1000, 1999, 2000)] == [0, 0, 1, 0, 1]


def test_part_begins_with_what_was_last_known_to_be_left() -> None:
    share, of = LocalShare(BORN), limit(capacity=100)
    seen(share, of, 90)
    seen(share, of, 30)
    share.lose(1, NOW)
    assert admitted(share, of) == 15


def test_process_that_came_after_the_loss_has_no_part() -> None:
    assert isinstance(lost(0).charge(charge("a", debit())), Unavailable)
    assert isinstance(lost(0).charge(charge("a", message=once())), Granted)


def test_quota_by_the_calendar_does_not_begin_anew_during_a_loss() -> None:
    share, daily = lost(), metered(Calendar(100, 86_400_000), "daily")
    midnight = NOW - NOW % 86_400_000 + 86_400_000
    assert admitted(share, daily) == 50
    assert admitted(share, daily, now=midnight) <= 50 * (midnight - NOW) // 86_400_000


def test_slots_are_a_part_too_and_come_back() -> None:
    share, of = lost(2), metered(Slots(10), "pending")
    held = [charge(f"c{number}", debit(1, of), hold_ms=11_000) for number in range(3)]
    assert [type(share.charge(one)) for one in held] == [Granted, Granted, Short]
    share.release(held[0])
    assert isinstance(share.charge(held[2]), Granted)


def test_second_loss_goes_on_where_the_first_ended() -> None:
    share, of = lost(), limit(capacity=100, refill_tokens=1, period_ms=1000)
    assert admitted(share, of) == 50
    share.find(UnixMs(NOW + 2000))
    share.lose(1, UnixMs(NOW + 12_000))
    assert admitted(share, of, now=NOW + 12_000) == 1  # two seconds of loss, half a token each


def test_part_begins_anew_when_it_has_had_the_time_to_fill() -> None:
    share, of = lost(), limit(capacity=10, refill_tokens=1, period_ms=1000)
    assert admitted(share, of) == 5
    share.find(NOW)
    share.lose(1, UnixMs(NOW + 9_999))
    assert admitted(share, of, now=NOW + 9_999) == 0
    share.find(UnixMs(NOW + 9_999))
    share.lose(1, UnixMs(NOW + 19_999))
    assert admitted(share, of, now=NOW + 19_999) == 5


def test_nothing_counts_while_the_store_answers() -> None:
    share = LocalShare(BORN)
    states = [share.lost]
    share.lose(1, NOW)
    share.lose(7, UnixMs(NOW + 5))
    states.append(share.lost)
    assert admitted(share, limit(capacity=100)) == 50
    share.find(UnixMs(NOW + 10))
    assert [*states, share.lost] == [False, True, False]


def test_store_is_told_what_was_granted_and_nothing_else() -> None:
    share = lost()
    granted, short = charge("a", debit(5)), charge("b", debit(1))
    assert isinstance(share.charge(granted), Granted)
    assert isinstance(share.charge(short), Short)
    assert share.find(UnixMs(NOW + 1)) == (granted,)
    assert share.find(UnixMs(NOW + 1)) == ()


def test_withdrawn_charge_is_not_told() -> None:
    share, granted = lost(), charge("a", debit(5))
    share.charge(granted)
    assert share.withdraw(granted)
    assert not share.withdraw(granted)
    assert share.find(NOW) == ()


def test_oldest_debts_are_dropped_first() -> None:
    share = lost(charges_max=2)
    charges = [charge(f"c{number}", debit(1)) for number in range(3)]
    for one in charges:
        share.charge(one)
    assert share.find(NOW) == (charges[1], charges[2])


def test_message_passes_once() -> None:
    share = lost()
    assert isinstance(share.charge(charge("a", message=once())), Granted)
    assert share.charge(charge("b", message=once())) == Replayed(NOW, NOW)
    assert share.replayed(charge("c", message=once())) == Replayed(NOW, NOW)
    assert share.replayed(charge("d")) is None


def test_refused_message_that_burns_never_passes_later() -> None:
    share = lost()
    empty = debit(1, limit(capacity=1))
    assert isinstance(share.charge(charge("a", empty, message=once(burns=True))), Short)
    assert isinstance(share.charge(charge("b", message=once(burns=True))), Replayed)
    assert isinstance(share.charge(charge("c", empty, message=once(b"other"))), Short)
    assert isinstance(share.charge(charge("d", message=once(b"other"))), Granted)


def test_message_from_before_this_process_is_not_judged() -> None:
    assert isinstance(lost().charge(charge("a", message=once(signed_at=BORN))), BeforeEpoch)


def test_message_that_the_store_took_through_this_process_is_known() -> None:
    share = LocalShare(BORN)
    share.observe(charge("a", message=once()), Granted(NOW, ()))
    share.observe(charge("b", message=once(b"short")), Short(NOW, ()))
    share.observe(charge("c", message=once(b"denied"), loss=Loss()), Granted(NOW, ()))
    share.lose(1, NOW)
    answers: list[Receipt] = [
        share.charge(charge("d", message=once(nonce))) for nonce in (b"nonce-1", b"short", b"denied")
    ]
    assert [type(answer) for answer in answers] == [Replayed, Granted, Granted]


def test_process_that_could_not_remember_all_lets_nothing_pass_until_it_is_over() -> None:
    share = LocalShare(BORN, charges_max=1)
    share.observe(charge("a", message=once(b"first", forget_after=NOW)), Granted(NOW, ()))
    share.observe(charge("b", message=once(b"second", forget_after=NOW + 8000)), Granted(NOW, ()))
    share.lose(1, NOW)
    share.charge(charge("c", now=NOW + 4000))  # the first is forgotten: there is room again
    answers = []
    for at in (NOW + 8000, NOW + 8001):
        message = once(b"%d" % at, signed_at=at, forget_after=at)
        answers.append(share.charge(charge(f"{at}", now=at, message=message)))
    assert [type(answer) for answer in answers] == [Unavailable, Granted]


def test_process_that_can_remember_no_more_lets_nothing_pass() -> None:
    share = lost(charges_max=1)
    assert isinstance(share.charge(charge("a", message=once(b"first"))), Granted)
    assert isinstance(share.charge(charge("b", message=once(b"second"))), Unavailable)


def test_table_that_is_full_refuses_and_makes_room_when_parts_are_full_again() -> None:
    share, of = lost(meters_max=1), limit(capacity=10)
    assert isinstance(share.charge(charge("a", debit(1, of))), Granted)
    other = debit(1, of, ("another",))
    assert isinstance(share.charge(charge("b", other)), Unavailable)
    assert isinstance(share.charge(charge("c", other, now=NOW + 10_000)), Granted)


@given(
    capacity=st.integers(1, 200),
    refill=st.integers(1, 50),
    percent=st.integers(1, 100),
    processes=st.integers(1, 5),
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, 3000), st.integers(1, 40), st.integers(1, 3)), max_size=40),
)
def test_all_processes_together_give_out_no_more_than_their_share_of_burst_and_rate_times_loss(
    capacity: int, refill: int, percent: int, processes: int, steps: list[tuple[bool, int, int, int]]
) -> None:
    of = limit(capacity, refill, 1000)
    loss = Loss(OnLoss.LOCAL, OnLoss.LOCAL, percent)
    fleet = [LocalShare(BORN) for _ in range(processes)]
    fill_ms = -(-capacity * 1000 // refill)
    now, lost_since, lost_ms, given_out = NOW, 0, 0, 0
    used_at = [int(NOW)] * processes
    for is_lost, wait_ms, asks, cost in steps:
        now = UnixMs(now + wait_ms)
        for share in fleet:
            share.lose(processes, now) if is_lost else share.find(now)
        if lost_since:
            lost_ms += now - lost_since
        lost_since = now if is_lost else 0
        if any(now - at >= fill_ms for at in used_at):  # a loss of its own
            given_out = lost_ms = 0
        for number in range(asks if is_lost else 0):
            asked = Charge(id=f"{now}-{number}", now=now, debits=(debit(cost, of),), loss=loss)
            given_out += cost * isinstance(fleet[number % processes].charge(asked), Granted)
            used_at[number % processes] = now
        assert given_out * 100 * 1000 <= percent * (capacity * 1000 + refill * lost_ms)


def test_answers_name_the_limit_that_they_are_about() -> None:
    answer = lost(2).charge(charge("a", debit(1, limit(capacity=100))))
    assert isinstance(answer, Granted)
    (reading,) = answer.readings
    assert (reading.limit.name, reading.remaining, answer.now) == ("key", 24, NOW)
    assert reading.limit.meter == Bucket(25, 50, 200_000)
    assert msgspec.structs.replace(reading.limit, meter=limit().meter) == limit()


@pytest.mark.parametrize(("processes", "plain", "critical"), [(1, 30, 20), (2, 15, 10), (50, 1, 0)])
def test_part_keeps_its_part_of_the_reserve(processes: int, plain: int, critical: int) -> None:
    share, of = lost(processes), limit(capacity=100)
    keeps = [share.charge(charge(f"a{n}", debit(1, of, spare=40))) for n in range(100)]
    rest = [share.charge(charge(f"b{n}", debit(1, of))) for n in range(100)]
    assert [sum(isinstance(answer, Granted) for answer in answers) for answers in (keeps, rest)] == [plain, critical]


def test_what_was_granted_here_and_has_cost_more_is_taken_of_the_part_and_told_as_it_was_found() -> None:
    share, of = lost(), limit(capacity=20)
    held = charge("a", debit(2, of))
    assert isinstance(share.charge(held), Granted)
    assert share.settle(held, (8,))
    assert admitted(share, of) == 10 - 8
    told = {each.id: [one.cost for one in each.debits] for each in share.find(UnixMs(NOW))}
    assert told["a"] == [8]


def test_what_was_granted_here_and_has_cost_less_is_told_so_and_gives_nothing_back_to_the_part() -> None:
    share, of = lost(), limit(capacity=20)
    held = charge("a", debit(8, of))
    share.charge(held)
    assert share.settle(held, (0,))
    assert admitted(share, of) == 2
    assert [[one.cost for one in each.debits] for each in share.find(UnixMs(NOW)) if each.id == "a"] == [[0]]


def test_what_was_not_granted_here_is_not_settled_here() -> None:
    assert not lost().settle(charge("a", debit(8)), (0,))
