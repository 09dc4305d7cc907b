import pytest

from guard.core.lifecycle import TRANSITIONS, KeyCommand, Refused, next_state
from guard.model.keys import KeyState

ALLOWED = {
    ("pre-activation", "activate"): "active",
    ("pre-activation", "report_compromised"): "compromised",
    ("pre-activation", "destroy"): "destroyed",
    ("active", "suspend"): "suspended",
    ("active", "deactivate"): "deactivated",
    ("active", "report_compromised"): "compromised",
    ("active", "destroy"): "destroyed",
    ("suspended", "resume"): "active",
    ("suspended", "deactivate"): "deactivated",
    ("suspended", "report_compromised"): "compromised",
    ("suspended", "destroy"): "destroyed",
    ("deactivated", "report_compromised"): "compromised",
    ("deactivated", "destroy"): "destroyed",
    ("compromised", "destroy"): "destroyed",
}
PAIRS = [(state, command) for state in KeyState for command in KeyCommand]


@pytest.mark.parametrize(("state", "command"), PAIRS, ids=lambda each: each.value)
def test_transition_is_allowed_exactly_where_sp_800_57_draws_it(state: KeyState, command: KeyCommand) -> None:
    expected = ALLOWED.get((state.value, command.value))
    answer = next_state(state, command)
    assert answer == (Refused(state, command) if expected is None else KeyState(expected))


def test_no_command_leads_out_of_destroyed() -> None:
    assert TRANSITIONS[KeyState.DESTROYED] == {}


def test_nothing_leads_back_to_active_but_activation_and_resumption() -> None:
    into_active = {
        (state, command) for state, row in TRANSITIONS.items() for command in row if row[command] == "active"
    }
    assert into_active == {
        (KeyState.PRE_ACTIVATION, KeyCommand.ACTIVATE),
        (KeyState.SUSPENDED, KeyCommand.RESUME),
    }
