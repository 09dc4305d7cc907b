"""The states of a key and the commands that move it from one to the next: NIST SP 800-57 part 1 revision 5 section 7.

Why it is right: every allowed transition is one entry of one table, and what the table does not hold is refused. No
command leads out of destroyed, none leads back from deactivated or compromised to active, and only active authenticates
a live request, though SP 800-57 lets some other states process what was protected earlier.
"""

from enum import StrEnum

import msgspec

from guard.model.keys import KeyState


class KeyCommand(StrEnum):
    """What an administrator can say to a key. Issuing makes one, so it is no transition."""

    ACTIVATE = "activate"
    SUSPEND = "suspend"
    RESUME = "resume"
    DEACTIVATE = "deactivate"
    REPORT_COMPROMISED = "report_compromised"
    DESTROY = "destroy"


class Refused(msgspec.Struct, frozen=True, gc=False):
    """The table has no such transition."""

    state: KeyState
    command: KeyCommand


TRANSITIONS: dict[KeyState, dict[KeyCommand, KeyState]] = {
    KeyState.PRE_ACTIVATION: {
        KeyCommand.ACTIVATE: KeyState.ACTIVE,
        KeyCommand.REPORT_COMPROMISED: KeyState.COMPROMISED,
        KeyCommand.DESTROY: KeyState.DESTROYED,
    },
    KeyState.ACTIVE: {
        KeyCommand.SUSPEND: KeyState.SUSPENDED,
        KeyCommand.DEACTIVATE: KeyState.DEACTIVATED,
        KeyCommand.REPORT_COMPROMISED: KeyState.COMPROMISED,
        KeyCommand.DESTROY: KeyState.DESTROYED,
    },
    KeyState.SUSPENDED: {
        KeyCommand.RESUME: KeyState.ACTIVE,
        KeyCommand.DEACTIVATE: KeyState.DEACTIVATED,
        KeyCommand.REPORT_COMPROMISED: KeyState.COMPROMISED,
        KeyCommand.DESTROY: KeyState.DESTROYED,
    },
    KeyState.DEACTIVATED: {
        KeyCommand.REPORT_COMPROMISED: KeyState.COMPROMISED,
        KeyCommand.DESTROY: KeyState.DESTROYED,
    },
    KeyState.COMPROMISED: {
        KeyCommand.DESTROY: KeyState.DESTROYED,
    },
    KeyState.DESTROYED: {},
}


def next_state(state: KeyState, command: KeyCommand) -> KeyState | Refused:
    """The state that the command leads to, or Refused if the table does not allow it."""
    following = TRANSITIONS[state].get(command)
    if following is None:  # knockout: transition_is_in_the_table
        return Refused(state, command)
    return following
