"""Whether the policies fit how guard will be run."""

from guard.policy.diagnostic import Diagnostic
from guard.policy.lints.workers import divided_memory


def test_several_processes_with_memories_of_their_own_are_an_error() -> None:
    message = "2 workers, each with nonces and limits of its own: a message would count once in each"
    hint = "set GUARD_STATE_URL=redis://…, or use one worker"
    assert divided_memory("policies", 2, shares_state=False) == Diagnostic(
        code="P501", message=message, file="policies", help=hint
    )


def test_one_process_or_a_shared_store_is_in_order() -> None:
    assert divided_memory("policies", 1, shares_state=False) is None
    assert divided_memory("policies", 9, shares_state=True) is None
