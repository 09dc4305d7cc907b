"""Halts and bulk revocation over HTTP: the same lines as `guard halt` and `guard keys revoke`."""

from typing import Any

import pytest

from tests.edges.admin.office import Office
from tests.edges.admin.test_keys import KEYS, made

HALTS = "/admin/v1/halts"
REVOCATIONS = "/admin/v1/key-revocations"


async def halted(office: Office, **order: object) -> dict[str, Any]:
    told = await office.ask("POST", HALTS, {"why": "runaway bot", **order}, by="operator")
    assert told.status == 201, told.body
    halt: dict[str, Any] = told.json["halt"]
    return halt


async def ids(office: Office, query: str = "") -> list[str]:
    return [halt["id"] for halt in (await office.ask("GET", f"{HALTS}{query}", by="viewer")).json["items"]]


async def test_a_halt_is_made_with_what_passes_who_and_why_and_says_whether_it_is_in_force(office: Office) -> None:
    await made(office)
    order = {"kind": "account", "name": "acme", "reads_only": True, "why": "runaway bot"}
    told = await office.ask("POST", HALTS, order, by="operator")
    assert told.status == 201
    halt = told.json["halt"]
    assert {name: halt[name] for name in (*order, "with_cancels", "actor", "since_ms", "lifted_at_ms")} == {
        **order,
        "with_cancels": False,
        "actor": "operator",
        "since_ms": office.now,
        "lifted_at_ms": None,
    }
    assert (told.json["nodes"]["in_force"], told.json["nodes"]["nodes"]) == (True, 0)
    assert (await office.ask("GET", HALTS, by="viewer")).json["items"] == [halt]


async def test_a_halt_is_lifted_by_itself_and_stays_in_the_list_of_those(office: Office) -> None:
    first, second = (await halted(office, kind="all"))["id"], (await halted(office, kind="all"))["id"]
    told = await office.ask("POST", f"{HALTS}/{first}/lift", {"why": "over"}, by="operator")
    assert (told.status, told.json["halt"]["lifted_at_ms"], told.json["nodes"]["in_force"]) == (200, office.now, True)
    assert await ids(office) == await ids(office, "?state=in_force") == [second]
    assert await ids(office, "?state=lifted") == [first]
    assert sorted(await ids(office, "?state=any")) == sorted([first, second])
    again = await office.ask("POST", f"{HALTS}/{first}/lift", {"why": "over"})
    assert (again.status, again.code) == (404, "admin.not_found")


@pytest.mark.parametrize(
    ("order", "pointer"),
    [
        ({"kind": "account", "name": "acne"}, "#/name"),
        ({"kind": "key", "name": "gk_no"}, "#/name"),
        ({"kind": "service"}, "#/name"),
        ({"kind": "all", "name": "acme"}, "#/name"),
        ({"kind": "all", "why": " "}, "#/why"),
    ],
)
async def test_a_halt_that_would_stop_nobody_is_refused_with_its_place(
    office: Office, order: dict[str, object], pointer: str
) -> None:
    told = await office.ask("POST", HALTS, {"why": "a test", **order})
    assert (told.status, told.json["errors"][0]["pointer"]) == (422, pointer)
    assert await ids(office) == []


async def test_whoever_only_reads_halts_and_ends_nothing(office: Office) -> None:
    halt = await halted(office, kind="all")
    await made(office)
    for target, body in (
        (HALTS, {"kind": "all"}),
        (f"{HALTS}/{halt['id']}/lift", {}),
        (REVOCATIONS, {"account": "acme"}),
    ):
        assert (await office.ask("POST", target, {**body, "why": "a test"}, by="viewer")).code == "admin.forbidden"
    assert await ids(office) == [halt["id"]]
    assert (await office.ask("GET", f"{KEYS}?state=active")).json["items"] != []


async def test_all_keys_of_a_choice_are_ended_at_once_and_shown_before(office: Office) -> None:
    await made(office, id="A")
    await made(office, id="B", networks=["203.0.113.0/25"])
    await made(office, id="C", account="beta")
    choice = {"account": "acme", "network": "203.0.113.0/24", "why": "left"}
    shown = await office.ask("POST", REVOCATIONS, {**choice, "dry_run": True}, by="operator")
    assert ([key["id"] for key in shown.json["items"]], shown.json["nodes"]) == (["B"], None)
    assert shown.json["items"][0]["state"] == "active"
    told = await office.ask("POST", REVOCATIONS, choice, by="operator")
    assert [(key["id"], key["state"]) for key in told.json["items"]] == [("B", "deactivated")]
    assert told.json["nodes"]["in_force"] is True
    assert [key["id"] for key in (await office.ask("GET", f"{KEYS}?state=active")).json["items"]] == ["A", "C"]
    [last] = (await office.ask("GET", "/admin/v1/audit?limit=1&kind=key")).json["items"]
    assert (last["actor"], last["command"], last["why"]) == ("operator", "deactivate", "left")


@pytest.mark.parametrize(
    ("choice", "status", "pointer"),
    [
        ({}, 422, None),
        ({"account": "nobody"}, 422, None),
        ({"network": "10.0.0.1/8"}, 422, "#/network"),
        ({"older_than": 5}, 400, "#/older_than"),
    ],
)
async def test_a_choice_of_no_key_ends_none(
    office: Office, choice: dict[str, object], status: int, pointer: str | None
) -> None:
    await made(office)
    told = await office.ask("POST", REVOCATIONS, {**choice, "why": "a test"})
    assert told.status == status
    assert [flaw["pointer"] for flaw in told.json.get("errors", ())] == ([] if pointer is None else [pointer])
    assert (await office.ask("GET", f"{KEYS}?state=active")).json["items"] != []
