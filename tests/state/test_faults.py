from guard.state.database import DatabaseError
from guard.state.faults import StateError
from guard.state.sealing import SealingError


def test_every_fault_of_what_state_depends_on_can_be_caught_as_one() -> None:
    assert issubclass(SealingError, StateError)
    assert issubclass(DatabaseError, StateError)
