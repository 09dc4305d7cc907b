from guard.model.names import UnixMs
from guard.model.policy import Slots
from guard.state.slots import TRY_AGAIN_MS, free, live, wait_ms

LEASES = {"a": UnixMs(100), "b": UnixMs(200)}


def test_lease_is_over_at_its_end() -> None:
    assert live(LEASES, UnixMs(99)) == LEASES
    assert live(LEASES, UnixMs(100)) == {"b": 200}
    assert live(LEASES, UnixMs(200)) == {}


def test_what_is_not_leased_is_free_and_never_less_than_none() -> None:
    assert [free(LEASES, Slots(count)) for count in (1, 2, 3)] == [0, 0, 1]


def test_who_finds_no_slot_tries_again_soon() -> None:
    assert wait_ms(LEASES, "c", Slots(3)) == 0
    assert wait_ms(LEASES, "c", Slots(2)) == TRY_AGAIN_MS


def test_who_holds_a_slot_waits_for_none() -> None:
    assert wait_ms(LEASES, "a", Slots(1)) == 0
