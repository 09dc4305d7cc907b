from guard.model.names import Address, KeyId, UnixMs
from guard.service.guests import LATELY_MS, Guests
from tests.build import NOW

_HERE, _THERE = Address("192.0.2.1"), Address("198.51.100.1")


def test_a_key_is_a_guest_of_the_address_and_of_the_networks_around_it() -> None:
    guests = Guests()
    guests.verified(_HERE, KeyId("a"), NOW)
    guests.verified(_THERE, KeyId("b"), NOW)
    assert guests.of("192.0.2.1", NOW) == guests.of("192.0.2.0/24", NOW) == ("a",)
    assert guests.of("192.0.2.2", NOW) == ()


def test_who_was_here_long_ago_is_no_guest_and_a_visit_counts_anew() -> None:
    guests = Guests()
    guests.verified(_HERE, KeyId("a"), NOW)
    assert guests.of("192.0.2.1", UnixMs(NOW + LATELY_MS - 1)) == ("a",)
    assert guests.of("192.0.2.1", UnixMs(NOW + LATELY_MS)) == ()
    guests.verified(_HERE, KeyId("a"), UnixMs(NOW + 60_000))
    assert guests.of("192.0.2.1", UnixMs(NOW + LATELY_MS)) == ("a",)


def test_a_full_table_forgets_the_oldest() -> None:
    guests = Guests(guests_max=2)
    for name in "abc":
        guests.verified(_HERE, KeyId(name), NOW)
    assert len(guests) == 2
    assert guests.of("192.0.2.1", NOW) == ("c", "b")


def test_no_more_than_sixty_four_are_let_in() -> None:
    guests = Guests()
    for number in range(70):
        guests.verified(_HERE, KeyId(f"k{number}"), NOW)
    assert len(guests.of("192.0.2.1", NOW)) == 64
