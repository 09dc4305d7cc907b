"""How many clients are here."""

from guard.server.crowd import Crowd


def test_one_too_many_is_told_so_and_counted_until_it_leaves() -> None:
    crowd = Crowd(1, 0)
    assert crowd.enter("a", "192.0.2.1")
    assert not crowd.enter("b", "192.0.2.2")
    crowd.leave("a")
    assert not crowd.enter("c", "192.0.2.3")
    crowd.leave("b")
    crowd.leave("b")
    crowd.leave("c")
    assert crowd.inside == 0
    assert crowd.enter("d", "192.0.2.4")


def test_addresses_are_counted_each_for_itself() -> None:
    crowd = Crowd(9, 2)
    assert [crowd.enter(who, "192.0.2.1") for who in "abc"] == [True, True, False]
    assert crowd.enter("d", "192.0.2.2")
    crowd.leave("c")
    assert not crowd.enter("e", "::ffff:192.0.2.1")
    crowd.leave("a")
    crowd.leave("e")
    assert crowd.enter("f", "192.0.2.1")


def test_ipv6_is_counted_by_its_network() -> None:
    crowd = Crowd(9, 1)
    assert crowd.enter("a", "2001:db8::1")
    assert not crowd.enter("b", "2001:db8::2")
    assert crowd.enter("c", "2001:db8:0:1::1")


def test_who_has_no_address_is_counted_in_all_only() -> None:
    crowd = Crowd(3, 1)
    assert [crowd.enter(who, "") for who in "abcd"] == [True, True, True, False]


def test_addresses_need_not_be_counted() -> None:
    crowd = Crowd(9, 0)
    assert all(crowd.enter(who, "192.0.2.1") for who in range(9))
