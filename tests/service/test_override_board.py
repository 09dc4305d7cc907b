"""What a node does with the overrides that it hears of."""

from guard.model.names import UnixMs
from guard.model.overrides import Override, OverrideId
from guard.model.rules import Mode
from guard.service.override_board import OverrideBoard, override_told
from guard.service.rulebook import Rulebook, Rules
from tests.build import NOW, limit, override, policies, route, service


class _Node:
    def __init__(self) -> None:
        self.now = NOW
        self.told: list[tuple[OverrideId, ...]] = []
        book = Rulebook(policies=policies(service(route(limits_principal=(limit("key"), limit("burst"))))), schemes={})
        self.rules = Rules(book)
        self.board = OverrideBoard(self.rules, lambda: self.now, self._tell)

    def _tell(self, in_force: tuple[Override, ...]) -> None:
        self.told.append(tuple(each.id for each in in_force))

    @property
    def modes(self) -> list[Mode]:
        [found] = self.rules.policies.services
        return [each.rule.mode for each in next(found.routes.routes()).limits_principal]


def test_what_is_heard_of_is_in_force_at_once_and_what_is_lifted_is_not() -> None:
    node = _Node()
    node.board.heard([override("limits.key", revision=1)])
    assert node.modes == [Mode.SHADOW, Mode.ENFORCE]
    node.board.heard([override("limits.key", revision=2, lifted_at=NOW)])
    assert node.modes == [Mode.ENFORCE, Mode.ENFORCE]
    assert node.told == [("mode_test",), ()]


def test_an_override_ends_by_the_clock_of_the_node_without_anybody_telling() -> None:
    node = _Node()
    node.board.heard([override("limits.key", revision=1)])
    node.now = UnixMs(NOW + 59_999)
    node.board.refresh()
    assert node.modes == [Mode.SHADOW, Mode.ENFORCE]
    node.now = UnixMs(NOW + 60_000)
    node.board.refresh()
    assert (node.modes, node.board.in_force, node.board.degraded) == ([Mode.ENFORCE, Mode.ENFORCE], (), ())


def test_a_late_answer_brings_no_lifted_override_back() -> None:
    node = _Node()
    node.board.heard([override("limits.key", revision=2, lifted_at=NOW)])
    node.board.heard([override("limits.key", revision=1)])
    assert node.modes == [Mode.ENFORCE, Mode.ENFORCE]


def test_what_is_heard_of_again_changes_nothing_and_is_not_told_again() -> None:
    node = _Node()
    node.board.heard([override("limits.key", revision=1)])
    before = node.rules.current
    node.board.heard([override("limits.key", revision=1)])
    assert node.rules.current is before
    assert node.told == [("mode_test",)]


def test_an_operator_is_told_which_and_where_and_not_why() -> None:
    node = _Node()
    node.board.heard([override("limits.key", Mode.OFF, revision=1, service="exchange")])
    assert node.board.degraded == ("mode: limits.key is off in exchange by override mode_test",)
    assert override_told(override("abuse", Mode.ENFORCE)) == "mode: abuse is in enforce by override mode_test"
