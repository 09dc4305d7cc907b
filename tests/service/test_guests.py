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


def _is_news(guests: Guests, at: Address = _HERE, kind: str = "kind", ms: int = 0, again_ms: int = 10) -> bool:
    return guests.verified(at, 64, KeyId("a"), UnixMs(NOW + ms), kind, again_ms)


def test_what_was_counted_is_no_news_until_then() -> None:
    guests = Guests()
    assert [_is_news(guests, ms=ms) for ms in (0, 0, 9, 10, 19, 20)] == [True, False, False, True, False, True]


def test_it_is_news_at_another_place_and_here_no_more() -> None:
    guests = Guests()
    assert [_is_news(guests, at) for at in (_HERE, _THERE, _HERE, _THERE)] == [True, True, False, False]


def test_the_last_kind_is_remembered_and_what_always_counts_hides_none() -> None:
    guests = Guests()
    assert _is_news(guests, kind="one")
    assert _is_news(guests, kind="always", again_ms=0)
    assert _is_news(guests, kind="always", again_ms=0)
    assert not _is_news(guests, kind="one")
    assert _is_news(guests, kind="other")
    assert not _is_news(guests, kind="other")
    assert _is_news(guests, kind="one")


def test_when_a_signal_has_fired_all_is_news() -> None:
    guests = Guests()
    assert _is_news(guests)
    guests.all_is_news()
    assert [_is_news(guests), _is_news(guests)] == [True, False]


def test_what_a_full_table_has_forgotten_is_a_guest_again_at_its_next_message() -> None:
    guests = Guests(guests_max=2)
    guests.verified(_HERE, 64, KeyId("a"), NOW)
    for name in "bc":
        guests.verified(_THERE, 64, KeyId(name), NOW)
    assert guests.of("192.0.2.1", NOW) == ()
    guests.verified(_HERE, 64, KeyId("a"), NOW)
    assert guests.of("192.0.2.1", NOW) == ("a",)


def test_services_that_count_ipv6_by_different_networks_have_different_places() -> None:
    guests, here = Guests(), Address("2001:db8:0:1::1")
    for v6_prefix in (64, 48, 64):
        guests.verified(here, v6_prefix, KeyId("a"), NOW)
    assert len(guests) == 2
    assert guests.of("2001:db8:0:1::/64", NOW) == guests.of("2001:db8::/48", NOW) == ("a",)


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
    assert [_is_news(guests, at) for at in (here, here, beside, beside, here)] == [True, False, True, False, True]
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
