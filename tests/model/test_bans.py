from guard.model.abuse import Action, SubjectKind
from guard.model.bans import NO_BANS, bans_of
from guard.model.names import AccountId, KeyId, UnixMs
from guard.model.rules import Mode
from tests.build import NOW, ban, rule


def test_bans_are_found_by_what_they_are_over() -> None:
    address, key, account = ban(), ban(SubjectKind.KEY, "k1"), ban(SubjectKind.ACCOUNT, "acme")
    bans = bans_of([address, key, account])
    assert bans.addresses == {"203.0.113.7": (address,)}
    assert bans.of_holder(KeyId("k1"), AccountId("acme")) == (key, account)
    assert bans.of_holder(KeyId("k2"), AccountId("other")) == ()


def test_nobody_banned_is_told_by_identity() -> None:
    assert bans_of([]) is NO_BANS
    assert bans_of([ban(lifted_at=NOW)]) is NO_BANS


def test_the_prefixes_that_occur_are_known_longest_first() -> None:
    names = ("203.0.113.7", "198.51.100.0/24", "10.0.0.0/8", "2001:db8::/64", "2001:db8::/32")
    bans = bans_of([ban(name=name) for name in names])
    assert (bans.v4_prefixes, bans.v6_prefixes) == ((32, 24, 8), (64, 32))


def test_it_is_known_whether_anybody_is_made_to_wait() -> None:
    assert bans_of([ban(action=Action.SLOW)]).may_slow
    assert not bans_of([ban()]).may_slow


def test_a_ban_is_in_force_until_its_end_or_until_it_is_lifted() -> None:
    assert ban().is_in_force(UnixMs(NOW + 119_999))
    assert not ban().is_in_force(UnixMs(NOW + 120_000))
    assert not ban(lifted_at=NOW).is_in_force(NOW)


def test_a_ban_is_only_recorded_where_its_rule_says_so() -> None:
    assert ban(rule=rule("abuse", Mode.SHADOW)).is_shadow
    assert not ban().is_shadow
    assert not ban(rule=None).is_shadow
