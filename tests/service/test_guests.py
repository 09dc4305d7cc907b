import time

from guard.model.names import Address, KeyId, UnixMs
from guard.service.guests import LATELY_MS, Guests
from tests.build import NOW

_HERE, _THERE = Address("192.0.2.1"), Address("198.51.100.1")


def test_a_key_is_a_guest_of_the_address_and_of_the_networks_around_it() -> None:
    guests = Guests()
    guests.verified(_HERE, 64, KeyId("a"), NOW)
    guests.verified(_THERE, 64, KeyId("b"), NOW)
    assert guests.of("192.0.2.1", NOW) == guests.of("192.0.2.0/24", NOW) == ("a",)
    assert guests.of("192.0.2.2", NOW) == ()


def test_who_was_here_long_ago_is_no_guest_and_a_visit_counts_anew() -> None:
    guests = Guests()
    guests.verified(_HERE, 64, KeyId("a"), NOW)
    assert guests.of("192.0.2.1", UnixMs(NOW + LATELY_MS - 1)) == ("a",)
    assert guests.of("192.0.2.1", UnixMs(NOW + LATELY_MS)) == ()
    guests.verified(_HERE, 64, KeyId("a"), UnixMs(NOW + 60_000))
    assert guests.of("192.0.2.1", UnixMs(NOW + LATELY_MS)) == ("a",)


def test_a_full_table_forgets_the_oldest() -> None:
    guests = Guests(guests_max=2)
    for name in "abc":
        guests.verified(_HERE, 64, KeyId(name), NOW)
    assert len(guests) == 2
    assert guests.of("192.0.2.1", NOW) == ("c", "b")


def test_no_more_than_sixty_four_are_let_in() -> None:
    guests = Guests()
    for number in range(70):
        guests.verified(_HERE, 64, KeyId(f"k{number}"), NOW)
    assert len(guests.of("192.0.2.1", NOW)) == 64


def test_what_was_counted_is_no_news_until_then() -> None:
    guests = Guests()
    guest = guests.verified(_HERE, 64, KeyId("a"), NOW)
    assert guests.is_news(guest, "kind", NOW)
    guests.counted(guest, "kind", NOW + 10)
    assert [guests.is_news(guest, "kind", UnixMs(NOW + ms)) for ms in (0, 9, 10)] == [False, False, True]
    assert guests.is_news(guest, "other", NOW)
    assert guests.is_news(guests.verified(_THERE, 64, KeyId("a"), NOW), "kind", NOW)
    assert not guests.is_news(guests.verified(_HERE, 64, KeyId("a"), NOW), "kind", NOW)


def test_when_a_signal_has_fired_all_is_news() -> None:
    guests = Guests()
    guest = guests.verified(_HERE, 64, KeyId("a"), NOW)
    guests.counted(guest, "kind", NOW + 10)
    guests.all_is_news()
    assert guests.is_news(guest, "kind", NOW)
    guests.counted(guest, "other", NOW + 10)
    assert (guests.is_news(guest, "kind", NOW), guests.is_news(guest, "other", NOW)) == (True, False)


def test_a_guest_remembers_few_kinds() -> None:
    guests = Guests()
    guest = guests.verified(_HERE, 64, KeyId("a"), NOW)
    for kind in range(40):
        guests.counted(guest, kind, NOW + 10)
    assert len(guest.no_news) <= 16
    assert not guests.is_news(guest, 39, NOW)


def test_one_key_crowds_out_nobody_however_many_addresses_it_has() -> None:
    guests = Guests(guests_max=1000)
    guests.verified(_HERE, 64, KeyId("a"), NOW)
    for number in range(5000):
        guests.verified(Address(f"2001:db8::{number:x}"), 64, KeyId("one network"), NOW)
        guests.verified(Address(f"2001:db8:0:{number:x}::1"), 64, KeyId("many networks"), NOW)
    assert len(guests) == 1 + 1 + 64
    assert guests.of("192.0.2.1", NOW) == ("a",)
    assert guests.of("2001:db8:0:1387::/64", NOW) == ("many networks",), "the last ones are known"


def test_a_visit_counts_anew_for_the_places_of_a_key_too() -> None:
    guests = Guests()
    for number in range(64):
        guests.verified(Address(f"192.0.2.{number}"), 64, KeyId("a"), NOW)
    guests.verified(Address("192.0.2.0"), 64, KeyId("a"), UnixMs(NOW + 60_000))
    guests.verified(_THERE, 64, KeyId("a"), UnixMs(NOW + 60_000))
    now = UnixMs(NOW + 60_000)
    assert [guests.of(f"192.0.2.{last}", now) for last in (0, 1, 2)] == [("a",), (), ("a",)]


def test_a_network_of_ipv6_is_one_place_and_each_of_its_addresses_is_news() -> None:
    guests = Guests()
    here, beside = Address("2001:db8::1"), Address("2001:db8::2")
    guest = guests.verified(here, 64, KeyId("a"), NOW)
    guests.counted(guest, "kind", NOW + 10)
    assert not guests.is_news(guests.verified(here, 64, KeyId("a"), NOW), "kind", NOW)
    assert guests.is_news(guests.verified(beside, 64, KeyId("a"), NOW), "kind", NOW)
    assert len(guests) == 1
    assert guests.of("2001:db8::/64", NOW) == guests.of("2001:db8::/32", NOW) == ("a",)
    assert guests.of("2001:db8:0:1::/64", NOW) == guests.of("0.0.0.0/0", NOW) == ()


def test_to_find_those_of_a_network_takes_as_long_as_it_has_guests_not_as_the_table_has() -> None:
    guests = Guests()
    for number in range(20_000):
        guests.verified(Address(f"10.0.{number >> 8}.{number & 255}"), 64, KeyId(f"k{number % 500}"), NOW)
    began = time.process_time()
    for number in range(100):
        assert len(guests.of(f"10.0.0.{number}", NOW)) == 1
    assert time.process_time() - began < 0.1, "a walk through all took 2 s"
