from typing import Any

import msgspec
import pytest

from guard.core.lifecycle import KeyCommand
from guard.model.keys import KeyState, Secret
from guard.model.names import KeyId, UnixMs
from guard.service.key_orders import KeyringError, Obstacle
from guard.service.key_steps import By, activated, commanded, refuse_rotation, successor, unknown_key
from tests.state.key_records import CREATED, record


def test_who_asks_is_told_with_command_reason_origin_and_time() -> None:
    deed = By("alice", "why", "192.0.2.1").deed("create", UnixMs(5))
    assert (deed.actor, deed.why, deed.origin, deed.command, deed.at) == ("alice", "why", "192.0.2.1", "create", 5)


def test_a_command_follows_the_table_and_destroying_wipes_the_material() -> None:
    fresh = record(state=KeyState.PRE_ACTIVATION)
    assert activated(fresh).state is KeyState.ACTIVE
    destroyed = commanded(record(), KeyCommand.DESTROY)
    assert (destroyed.state, destroyed.material.reveal()) == (KeyState.DESTROYED, b"")


def test_what_the_table_has_not_is_a_conflict_that_says_what_can_be_done() -> None:
    with pytest.raises(KeyringError, match=r"is suspended and cannot be suspended: .* resume, revoke") as raised:
        commanded(record(state=KeyState.SUSPENDED), KeyCommand.SUSPEND)
    assert raised.value.obstacle is Obstacle.CONFLICT


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"state": KeyState.SUSPENDED}, "only an active key can be rotated"),
        ({"dies_at": UnixMs(CREATED + 1)}, "was rotated already"),
        ({"expires_at": CREATED}, "has expired"),
    ],
)
def test_only_a_living_key_is_rotated_and_once(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(KeyringError, match=sentence) as raised:
        refuse_rotation(record(**changes), CREATED)
    assert raised.value.obstacle is Obstacle.CONFLICT
    refuse_rotation(record(expires_at=UnixMs(CREATED + 1)), CREATED)


def test_a_successor_has_the_rights_and_as_long_a_life_and_is_not_active_yet() -> None:
    old = record(scopes=frozenset({"read"}), expires_at=UnixMs(CREATED + 100), last_used_at=CREATED)
    fresh = successor(old, KeyId("k2"), Secret(b"new"), UnixMs(CREATED + 50))
    assert (fresh.id, fresh.state, fresh.rotated_from, fresh.lineage) == ("k2", KeyState.PRE_ACTIVATION, "k1", "k1")
    assert (fresh.scopes, fresh.expires_at, fresh.last_used_at) == (old.scopes, CREATED + 150, None)
    endless = msgspec.structs.replace(old, expires_at=None)
    assert successor(endless, KeyId("k2"), Secret(b"new"), CREATED).expires_at is None


def test_an_unknown_key_is_named() -> None:
    error = unknown_key("gk_no")
    assert (error.obstacle, "gk_no" in str(error)) == (Obstacle.UNKNOWN, True)
