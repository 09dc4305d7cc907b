from guard.state.wheel import Wheel


def test_item_stays_until_its_time_has_passed_and_comes_within_about_a_second() -> None:
    wheel: Wheel[str] = Wheel()
    wheel.add(5000, "a")
    assert wheel.take(5000) is None
    assert wheel.take(5000 + 1024) == "a"
    assert wheel.take(10_000) is None
    assert len(wheel) == 0


def test_items_come_out_earliest_slot_first_whatever_order_they_went_in() -> None:
    wheel: Wheel[str] = Wheel()
    for at, item in ((90_000, "late"), (1_000, "early"), (50_000, "middle")):
        wheel.add(at, item)
    assert [wheel.take(1_000_000) for _ in range(4)] == ["early", "middle", "late", None]


def test_next_at_says_when_looking_can_help() -> None:
    wheel: Wheel[str] = Wheel()
    assert wheel.next_at == float("inf")
    wheel.add(1500, "a")
    wheel.add(1501, "b")
    assert wheel.next_at == 2048
    assert wheel.take(2047) is None
    assert {wheel.take(2048), wheel.take(2048)} == {"a", "b"}
    assert wheel.next_at == float("inf")


def test_item_added_while_a_slot_is_handed_out_is_not_lost() -> None:
    wheel: Wheel[str] = Wheel()
    wheel.add(0, "a")
    wheel.add(1, "b")
    first = wheel.take(2000)
    wheel.add(0, "c")
    assert len(wheel) == 2
    assert {first, wheel.take(2000), wheel.take(2000)} == {"a", "b", "c"}


def test_far_jump_of_time_costs_no_more_than_the_slots_in_use() -> None:
    wheel: Wheel[int] = Wheel()
    for number in range(1000):
        wheel.add(number * 1000, number)
    taken = 0
    while wheel.take(10**15) is not None:
        taken += 1
    assert taken == 1000
