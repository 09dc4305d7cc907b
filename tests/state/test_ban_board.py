from typing import Any

from guard.model.abuse import Action
from guard.model.bans import NO_BANS, Ban, BanId
from guard.model.names import UnixMs
from guard.model.rules import Mode
from guard.state.ban_board import BanBoard
from tests.build import NOW, ban, rule

_LATER = UnixMs(NOW + 120_000)


def _named(name: str, **changes: Any) -> Ban:
    return ban(name=name, **{"id": BanId(f"ban_{name}"), **changes})


def test_what_a_node_does_itself_is_in_force_at_once_and_to_be_written_once() -> None:
    board, mine = BanBoard(), _named("a")
    assert board.put(mine, NOW)
    assert board.bans.addresses == {"a": (mine,)}
    assert board.pending() == (mine,)
    assert board.pending() == ()


def test_what_makes_wait_is_over_too_soon_to_be_written() -> None:
    board = BanBoard()
    board.put(_named("a", action=Action.SLOW), NOW)
    assert board.bans.may_slow
    assert board.pending() == ()


def test_what_could_not_be_written_is_tried_again_unless_it_was_replaced() -> None:
    board, first, second = BanBoard(), _named("a"), _named("b")
    board.put(first, NOW)
    board.put(second, NOW)
    tried = board.pending()
    newer = _named("a", action=Action.QUARANTINE)
    board.put(newer, NOW)
    board.failed(tried)
    assert set(board.pending()) == {newer, second}


def test_the_database_has_the_last_word_and_an_older_word_of_it_does_not_count() -> None:
    board = BanBoard()
    board.put(_named("a"), NOW)
    written = _named("a", revision=5, strikes=3)
    assert board.take((written,), NOW) == (written,)
    assert board.take((_named("a", revision=4),), NOW) == ()
    assert board.of(BanId("ban_a")) == written


def test_what_was_lifted_is_not_looked_up_any_more() -> None:
    board = BanBoard()
    board.put(_named("a"), NOW)
    board.take((_named("a", revision=1, lifted_at=NOW),), NOW)
    assert board.bans is NO_BANS


def test_each_ban_that_comes_into_force_is_told() -> None:
    board, told = BanBoard(), list[str]()
    board.on_ban = lambda bans: told.extend(each.name for each in bans)
    board.put(_named("a"), NOW)
    board.take((_named("b", revision=1), _named("a", revision=1)), NOW)
    board.take((_named("b", revision=1),), NOW)
    assert told == ["a", "b", "a"]


def test_only_bans_that_policies_mean_count_against_the_cap() -> None:
    board = BanBoard()
    for each in (
        _named("a"),
        _named("b"),
        _named("c", action=Action.QUARANTINE),
        _named("d", rule=rule("abuse", Mode.SHADOW)),
        _named("e", rule=None),
    ):
        board.put(each, NOW)
    assert board.banned(NOW) == 2
    assert board.banned(_LATER) == 0


def test_a_board_that_is_full_records_no_more_and_enforces_all_the_same() -> None:
    board = BanBoard(rows_max=1)
    shadow = rule("abuse", Mode.SHADOW)
    assert board.put(_named("a", rule=shadow), NOW)
    assert not board.put(_named("b", rule=shadow), NOW)
    assert board.put(_named("c"), NOW)
    assert set(board.bans.addresses) == {"a", "c"}


def test_what_is_over_is_not_looked_up_but_remembered_as_long_as_its_row() -> None:
    board = BanBoard()
    for each in (_named("a"), _named("b", action=Action.SLOW, strikes=0), _named("c", rule=rule("abuse", Mode.SHADOW))):
        board.put(each, NOW)
    board.sweep(_LATER, 1000)
    assert board.bans is NO_BANS
    assert [board.of(BanId(f"ban_{name}")) is not None for name in "abc"] == [True, False, False]
    board.sweep(UnixMs(_LATER + 1000), 1000)
    assert board.of(BanId("ban_a")) is None


def test_strikes_are_remembered_also_by_what_made_wait_after_them() -> None:
    board = BanBoard()
    board.put(_named("a", action=Action.SLOW, strikes=2), NOW)
    board.sweep(_LATER, 1000)
    kept = board.of(BanId("ban_a"))
    assert kept is not None
    assert kept.strikes == 2
