"""Overridden modes over HTTP: the same line as `guard mode`."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.build import limit, policies, route, service
from tests.edges.admin.office import Office, opened_office

MODES = "/admin/v1/modes"
ORDER = {"rule": "limits.weight", "mode": "shadow", "for_ms": 3_600_000, "why": "INC-42"}


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    rules = policies(service(route(limits_principal=(limit("weight"),))))
    async with opened_office(tmp_path, policies=rules) as opened:
        yield opened


async def test_a_mode_is_overridden_with_who_how_long_and_why_and_shown_with_the_policy(office: Office) -> None:
    told = await office.ask("POST", MODES, {**ORDER, "service": "exchange"})
    assert told.status == 201, told.body
    made: dict[str, Any] = told.json["override"]
    assert (made["rule"], made["mode"], made["service"]) == ("limits.weight", "shadow", "exchange")
    assert (made["actor"], made["why"], made["until_ms"]) == ("admin", "INC-42", office.now + 3_600_000)
    assert (told.json["nodes"]["in_force"], told.json["nodes"]["nodes"]) == (True, 0)
    assert (await office.ask("GET", MODES, by="viewer")).json == {"items": [made]}
    assert (await office.ask("GET", "/admin/v1/policy", by="viewer")).json["overrides"] == [made]


async def test_what_is_lifted_or_over_is_listed_if_asked_for(office: Office) -> None:
    made = (await office.ask("POST", MODES, ORDER)).json["override"]
    lifted = await office.ask("POST", f"{MODES}/{made['id']}/lift", {"why": "over"})
    assert lifted.json["override"]["lifted_at_ms"] == office.now
    assert (await office.ask("GET", MODES)).json == {"items": []}
    assert len((await office.ask("GET", f"{MODES}?ended=true")).json["items"]) == 1
    assert (await office.ask("GET", "/admin/v1/policy")).json["overrides"] == []


@pytest.mark.parametrize("role", ["viewer", "operator"])
async def test_what_can_weaken_a_policy_is_for_those_who_may_reload_it(office: Office, role: str) -> None:
    assert (await office.ask("POST", MODES, ORDER, by=role)).status == 403
    made = (await office.ask("POST", MODES, ORDER)).json["override"]
    assert (await office.ask("POST", f"{MODES}/{made['id']}/lift", {"why": "over"}, by=role)).status == 403


@pytest.mark.parametrize(
    "change",
    [{"why": ""}, {"for_ms": 0}, {"for_ms": 604_800_001}, {"mode": "on"}, {"rule": "auth"}, {"rule": "x"}, {"more": 1}],
)
async def test_an_order_that_cannot_be_carried_out_is_refused(office: Office, change: dict[str, object]) -> None:
    assert (await office.ask("POST", MODES, {**ORDER, **change})).status in (400, 422)
    assert (await office.ask("GET", f"{MODES}?ended=true")).json == {"items": []}


async def test_what_nobody_knows_is_not_found(office: Office) -> None:
    assert (await office.ask("POST", f"{MODES}/mode_nobodys/lift", {"why": "over"})).status == 404
