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


def test_what_was_counted_is_no_news_until_then() -> None:
    guests = Guests()
    guest = guests.verified(_HERE, KeyId("a"), NOW)
    assert guests.is_news(guest, "kind", NOW)
    guests.counted(guest, "kind", NOW + 10)
    assert [guests.is_news(guest, "kind", UnixMs(NOW + ms)) for ms in (0, 9, 10)] == [False, False, True]
    assert guests.is_news(guest, "other", NOW)
    assert guests.is_news(guests.verified(_THERE, KeyId("a"), NOW), "kind", NOW)
    assert not guests.is_news(guests.verified(_HERE, KeyId("a"), NOW), "kind", NOW)


def test_when_a_signal_has_fired_all_is_news() -> None:
    guests = Guests()
    guest = guests.verified(_HERE, KeyId("a"), NOW)
    guests.counted(guest, "kind", NOW + 10)
    guests.all_is_news()
    assert guests.is_news(guest, "kind", NOW)
    guests.counted(guest, "other", NOW + 10)
    assert (guests.is_news(guest, "kind", NOW), guests.is_news(guest, "other", NOW)) == (True, False)


def test_a_guest_remembers_few_kinds() -> None:
    guests = Guests()
    guest = guests.verified(_HERE, KeyId("a"), NOW)
    for kind in range(40):
        guests.counted(guest, kind, NOW + 10)
    assert len(guest.no_news) <= 16
    assert not guests.is_news(guest, 39, NOW)
