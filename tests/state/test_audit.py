import json

import msgspec
import pytest

from guard.model.keys import KeyState
from guard.model.names import KeyId
from guard.state.database import DatabaseError
from guard.state.vault import Vault
from tests.state.key_records import CREATED, deed, record, suspended


async def test_failing_audit_row_undoes_the_change(vault: Vault) -> None:
    await vault.keys.insert([record("k1")], deed())
    nameless = msgspec.structs.replace(deed("suspend"), actor=None)
    with pytest.raises(DatabaseError):
        await vault.keys.change(KeyId("k1"), suspended, nameless)
    found = await vault.keys.find(KeyId("k1"))
    assert found is not None
    assert (found.state, await vault.keys.head()) == (KeyState.ACTIVE, 1)


async def test_audit_tells_who_did_what_when_why_and_the_key_before_and_after(vault: Vault) -> None:
    await vault.keys.insert([record("k1"), record("k2")], deed(why="new client"))
    await vault.keys.change(KeyId("k1"), suspended, deed("suspend", why="holiday"))
    created, changed = await vault.trail.rows(KeyId("k1"))
    assert (created.command, created.why, created.before, created.revision) == ("create", "new client", None, 1)
    assert (changed.actor, changed.command, changed.why, changed.at) == ("alice", "suspend", "holiday", CREATED)
    assert changed.before is not None
    assert json.loads(changed.before)["state"] == "active"
    assert json.loads(changed.after)["state"] == "suspended"
    assert len(await vault.trail.rows()) == 3
