import msgspec

from guard.model.admins import AdminToken, Role
from guard.model.audit import Deed
from guard.model.names import UnixMs
from guard.state.vault import Vault

NOW = UnixMs(1_800_000_000_000)


def deed(command: str = "create", at: int = NOW) -> Deed:
    return Deed(command=command, actor="alice", why="a test", at=UnixMs(at))


def token(name: str, *, made_by: str = "root", **changes: object) -> AdminToken:
    made = AdminToken(
        id=f"gt_{name}",
        name=name,
        role=Role.ADMIN,
        digest=f"digest of {name}",
        created_at=NOW,
        created_by=made_by,
    )
    return msgspec.structs.replace(made, **changes)


async def test_a_token_is_found_by_its_digest_alone(vault: Vault) -> None:
    assert await vault.tokens.add(token("alice"), deed())
    assert await vault.tokens.find("digest of alice") == token("alice")
    assert await vault.tokens.find("digest of bob") is None
    assert await vault.tokens.all() == (token("alice"),)


async def test_a_name_has_one_good_token_in_any_spelling(vault: Vault) -> None:
    assert await vault.tokens.add(token("alice"), deed())
    assert not await vault.tokens.add(token("Alice"), deed())
    await vault.tokens.revoke("gt_alice", deed("revoke"))
    assert await vault.tokens.add(token("Alice"), deed())


async def test_a_name_whose_token_expired_is_free(vault: Vault) -> None:
    assert await vault.tokens.add(token("alice", expires_at=NOW), deed())
    assert await vault.tokens.add(token("alice", id="gt_2", digest="other"), deed())


async def test_the_first_token_is_first_also_after_a_revoked_one(vault: Vault) -> None:
    assert await vault.tokens.add(token("one"), deed(), only_as_first=True)
    await vault.tokens.revoke("gt_one", deed("revoke"))
    assert not await vault.tokens.add(token("two"), deed(), only_as_first=True)


async def test_revoking_is_once_and_for_all(vault: Vault) -> None:
    await vault.tokens.add(token("alice"), deed())
    first = await vault.tokens.revoke("gt_alice", deed("revoke", NOW + 1))
    again = await vault.tokens.revoke("gt_alice", deed("revoke", NOW + 2))
    assert first == again == token("alice", revoked_at=NOW + 1)
    assert await vault.tokens.revoke("gt_nobody", deed("revoke")) is None


async def test_last_use_never_goes_back(vault: Vault) -> None:
    await vault.tokens.add(token("alice"), deed())
    for at in (5, 9, 7):
        await vault.tokens.touch("gt_alice", UnixMs(at))
    assert (await vault.tokens.all())[0].last_used_at == 9


async def test_a_change_of_tokens_is_one_audit_record_without_the_digest(vault: Vault) -> None:
    await vault.tokens.add(token("alice"), deed())
    await vault.tokens.revoke("gt_alice", deed("revoke", NOW + 1))
    await vault.tokens.revoke("gt_alice", deed("revoke", NOW + 2))
    made, revoked = await vault.trail.records()
    assert (made.command, made.subject.kind, made.subject.id, made.before) == (
        "create",
        "admin_token",
        "gt_alice",
        None,
    )
    assert (revoked.before or {})["revoked_at_ms"] is None
    assert (revoked.after or {})["revoked_at_ms"] == NOW + 1
    assert "digest" not in str(made) + str(revoked)


async def test_makers_are_all_who_made_a_name_and_those_who_made_them(vault: Vault) -> None:
    for name, made_by in (("alice", "root"), ("bob", "Alice"), ("carol", "bob"), ("dave", "root")):
        await vault.tokens.add(token(name, made_by=made_by), deed())
    assert await vault.tokens.makers("Carol") == {"bob", "alice"}
    assert await vault.tokens.makers("dave") == set()  # root has no token: a shell is nobody's hand


async def test_makers_of_a_circle_are_found_and_it_ends(vault: Vault) -> None:
    await vault.tokens.add(token("alice", made_by="bob"), deed())
    await vault.tokens.add(token("bob", made_by="alice"), deed())
    assert await vault.tokens.makers("alice") == {"alice", "bob"}


async def test_the_first_token_is_the_oldest_one_and_stays_it_when_it_has_ended(vault: Vault) -> None:
    assert await vault.tokens.first() == ""
    for name, at in (("Zoe", NOW), ("adam", NOW + 1)):
        await vault.tokens.add(token(name, created_at=UnixMs(at)), deed())
    await vault.tokens.revoke("gt_Zoe", deed("revoke"))
    assert await vault.tokens.first() == "zoe"
