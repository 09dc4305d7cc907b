from guard.model.names import UnixMs
from guard.model.questions import BeforeEpoch, Replayed
from guard.state.nonces import Nonces
from tests.contract.limit_store import BORN, NOW, WINDOW_MS, once


def test_message_is_replayed_once_it_was_remembered_until_its_window_is_over() -> None:
    nonces = Nonces(BORN, 10)
    assert nonces.refusal(once(), NOW) is None
    nonces.remember(once(), NOW)
    assert nonces.refusal(once(), UnixMs(NOW + WINDOW_MS)) == Replayed(UnixMs(NOW + WINDOW_MS), NOW)
    assert nonces.refusal(once(), UnixMs(NOW + WINDOW_MS + 1)) is None


def test_message_that_was_signed_before_memory_began_is_not_judged() -> None:
    nonces = Nonces(BORN, 10)
    assert nonces.refusal(once(signed_at=BORN + 1000), NOW) == BeforeEpoch(NOW, BORN)
    assert nonces.refusal(once(signed_at=BORN + 1001), NOW) is None


def test_only_the_same_message_may_repeat_and_it_is_not_new() -> None:
    nonces = Nonces(BORN, 10)
    read = once(repeatable=True)
    assert nonces.is_new(read, NOW)
    nonces.remember(read, NOW)
    assert nonces.refusal(read, NOW) is None
    assert not nonces.is_new(read, NOW)
    assert isinstance(nonces.refusal(once(repeatable=True, binding=b"other"), NOW), Replayed)
    assert isinstance(nonces.refusal(once(), NOW), Replayed)


def test_what_is_over_is_forgotten_and_makes_room() -> None:
    nonces = Nonces(BORN, 2)
    for number in range(2):
        nonces.remember(once(b"n%d" % number), NOW)
    assert (len(nonces), nonces.full) == (2, True)
    nonces.sweep(UnixMs(NOW + WINDOW_MS), 10)
    assert len(nonces) == 2
    nonces.sweep(UnixMs(NOW + WINDOW_MS + 2048), 1)
    assert (len(nonces), nonces.full) == (1, False)
    nonces.sweep(UnixMs(NOW + WINDOW_MS + 2048), 10)
    assert len(nonces) == 0
