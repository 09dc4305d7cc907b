"""Tokens and second persons over HTTP."""

import pytest

from guard.model.admins import Role
from guard.service.key_steps import By
from tests.edges.admin.office import Office

KEYS, TOKENS, RELEASES = "/admin/v1/keys", "/admin/v1/tokens", "/admin/v1/releases"


@pytest.fixture
async def strict(office: Office) -> Office:
    """`withdraw` is under dual control; `second` is another admin."""
    await office.vault.releases.set_scopes({"withdraw"}, By("policy").deed("set_dual_control", office.now))
    await office.hire("second", Role.ADMIN)
    return office


async def asked(office: Office, by: str = "admin") -> str:
    told = await office.ask("POST", KEYS, {"account": "acme", "scopes": ["withdraw"], "id": "W-1"}, by=by)
    assert (told.status, told.json["key"]["state"]) == (201, "pre-activation")
    assert told.json["secret"].startswith("gs_")
    return str(told.json["release"]["id"])


async def test_a_token_is_told_once_and_opens_what_its_role_opens(office: Office) -> None:
    told = await office.ask("POST", TOKENS, {"name": "alice", "role": "viewer"})
    assert told.status == 201
    office.tokens["alice"] = told.json["secret"]
    assert (await office.ask("GET", KEYS, by="alice")).status == 200
    assert (await office.ask("GET", TOKENS, by="alice")).status == 403
    listed = await office.ask("GET", TOKENS)
    assert told.json["secret"] not in listed.body.decode()
    [alice] = [token for token in listed.json["items"] if token["name"] == "alice"]
    assert (alice["role"], alice["created_by"], alice["revoked_at_ms"]) == ("viewer", "admin", None)
    assert "digest" not in alice


async def test_a_token_is_revoked(office: Office) -> None:
    told = await office.ask("POST", TOKENS, {"name": "alice", "role": "admin"})
    office.tokens["alice"] = told.json["secret"]
    ended = await office.ask("POST", f"{TOKENS}/{told.json['token']['id']}/revoke", {})
    assert (ended.status, ended.json["token"]["revoked_at_ms"]) == (200, office.now)
    assert (await office.ask("GET", KEYS, by="alice")).status == 401
    assert (await office.ask("POST", f"{TOKENS}/gt_no/revoke", {})).status == 404


async def test_a_key_under_dual_control_is_active_once_a_second_admin_confirms(strict: Office) -> None:
    release = await asked(strict)
    alone = await strict.ask("POST", f"{RELEASES}/{release}/confirm", {})
    assert (alone.status, alone.code) == (403, "admin.forbidden")
    told = await strict.ask("POST", f"{RELEASES}/{release}/confirm", {"why": "seen"}, by="second")
    assert (told.status, told.json["release"]["state"], told.json["release"]["settled_by"]) == (
        200,
        "confirmed",
        "second",
    )
    shown = (await strict.ask("GET", f"{KEYS}/W-1")).json
    assert (shown["key"]["state"], shown["release"]) == ("active", None)
    assert [(each["actor"], each["command"]) for each in shown["history"]] == [
        ("admin", "create"),
        ("second", "confirm"),
    ]


async def test_an_operator_cannot_confirm(strict: Office) -> None:
    release = await asked(strict)
    assert (await strict.ask("POST", f"{RELEASES}/{release}/confirm", {}, by="operator")).status == 403


async def test_a_token_that_the_asker_made_is_no_second_person(strict: Office) -> None:
    made = await strict.ask("POST", TOKENS, {"name": "puppet", "role": "admin"})
    strict.tokens["puppet"] = made.json["secret"]
    again = await strict.ask("POST", TOKENS, {"name": "string", "role": "admin"}, by="puppet")
    strict.tokens["string"] = again.json["secret"]
    release = await asked(strict)
    for hand in ("puppet", "string"):
        told = await strict.ask("POST", f"{RELEASES}/{release}/confirm", {}, by=hand)
        assert (told.status, told.code) == (403, "admin.forbidden")
    assert (await strict.ask("GET", f"{KEYS}/W-1")).json["key"]["state"] == "pre-activation"


async def test_what_is_rejected_never_becomes_active(strict: Office) -> None:
    release = await asked(strict)
    told = await strict.ask("POST", f"{RELEASES}/{release}/reject", {}, by="second")
    assert told.json["release"]["state"] == "rejected"
    assert (await strict.ask("GET", f"{KEYS}/W-1")).json["key"]["state"] == "destroyed"
    late = await strict.ask("POST", f"{RELEASES}/{release}/confirm", {}, by="second")
    assert (late.status, late.code) == (409, "admin.conflict")


async def test_releases_are_listed_by_state(strict: Office) -> None:
    release = await asked(strict)
    waiting = (await strict.ask("GET", f"{RELEASES}?state=pending", by="viewer")).json["items"]
    assert [each["id"] for each in waiting] == [release]
    assert (await strict.ask("GET", f"{RELEASES}?state=confirmed")).json["items"] == []
    strict.later(24 * 3600 * 1000)
    assert (await strict.ask("GET", RELEASES)).json["items"][0]["state"] == "expired"
