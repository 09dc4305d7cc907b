from guard.cli.mode_screen import done_json, lifted_text, list_text, overridden_text
from guard.model.rules import Mode
from guard.service.enforcement import InForce
from tests.build import NOW, override

FORCE = InForce(nodes=2, after_ms=40)


def test_a_table_tells_which_until_when_by_whom_and_why() -> None:
    table = list_text((override(), override("abuse", Mode.OFF, service="spot", lifted_at=NOW, why="over\x1b[31m")))
    first, second = table.splitlines()[1:]
    assert first.split() == ["mode_test", "all", "limits.key", "shadow", "2030-03-17T17:47:40Z", "alice", "INC-42"]
    assert "spot" in second
    assert "lifted 2030-03-17T17:46:40Z" in second
    assert "\x1b" not in table


def test_nothing_overridden_is_said() -> None:
    assert list_text(()) == "No mode is overridden."


def test_what_was_done_is_told_with_whether_it_is_in_force() -> None:
    made = override(service="spot")
    assert "mode_test: limits.key shadow in spot until 2030-03-17T17:47:40Z" in overridden_text(made, FORCE)
    assert "Lifted mode_test (limits.key shadow in spot)" in lifted_text((made,), FORCE)
    assert '"in_force":true' in done_json((made,), FORCE)
