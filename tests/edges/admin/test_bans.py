"""Bans over HTTP: the same line as `guard bans`."""

from typing import Any

import pytest

from tests.edges.admin.office import Office

BANS = "/admin/v1/bans"
ORDER = {"kind": "ip", "name": "203.0.113.7", "for_ms": 3_600_000, "why": "ticket 4711"}


async def banned(office: Office, **changes: object) -> dict[str, Any]:
    told = await office.ask("POST", BANS, {**ORDER, **changes}, by="operator")
    assert told.status == 201, told.body
    ban: dict[str, Any] = told.json["ban"]
    return ban


async def test_a_ban_is_made_with_who_how_long_and_why_and_says_whether_it_is_in_force(office: Office) -> None:
    told = await office.ask("POST", BANS, ORDER, by="operator")
    ban = told.json["ban"]
    assert (ban["name"], ban["action"], ban["service"], ban["shadow"]) == ("203.0.113.7", "ban", "", False)
    assert (ban["actor"], ban["why"]) == ("operator", "ticket 4711")
    assert (told.json["nodes"]["in_force"], told.json["nodes"]["nodes"]) == (True, 0)
    assert (await office.ask("GET", BANS, by="viewer")).json == {"items": [ban]}
    assert (await office.ask("GET", f"{BANS}/{ban['id']}", by="viewer")).json == ban


async def test_a_ban_is_extended_and_lifted_and_stays_in_the_list_of_those(office: Office) -> None:
    ban = await banned(office)
    longer = await office.ask("POST", f"{BANS}/{ban['id']}/extend", {"for_ms": 7_200_000, "why": "more"}, by="operator")
    assert longer.json["ban"]["until_ms"] == office.now + 7_200_000
    lifted = await office.ask("POST", f"{BANS}/{ban['id']}/lift", {"why": "over"}, by="operator")
    assert lifted.json["ban"]["lifted_at_ms"] == office.now
    assert (await office.ask("GET", BANS, by="viewer")).json == {"items": []}
    assert len((await office.ask("GET", f"{BANS}?ended=true", by="viewer")).json["items"]) == 1


@pytest.mark.parametrize("change", [{"why": ""}, {"for_ms": 0}, {"kind": "service"}, {"name": ""}, {"more": 1}])
async def test_an_order_of_another_form_is_refused(office: Office, change: dict[str, object]) -> None:
    assert (await office.ask("POST", BANS, {**ORDER, **change}, by="operator")).status in (400, 422)
    assert (await office.ask("GET", BANS, by="viewer")).json == {"items": []}


async def test_what_nobody_knows_is_not_found_and_a_viewer_changes_nothing(office: Office) -> None:
    assert (await office.ask("GET", f"{BANS}/ban_nobodys", by="viewer")).status == 404
    assert (await office.ask("POST", f"{BANS}/ban_nobodys/lift", {"why": "over"}, by="operator")).status == 404
    assert (await office.ask("POST", BANS, ORDER, by="viewer")).status == 403
