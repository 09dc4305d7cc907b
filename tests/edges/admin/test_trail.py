"""The audit trail over HTTP."""

import json

from guard.signing.audit_chain import Whole, verified_export
from tests.edges.admin.office import AUDIT_KEY, Office

KEYS, AUDIT = "/admin/v1/keys", "/admin/v1/audit"


async def test_a4_every_change_by_anybody_is_one_record_with_actor_address_time_before_and_after(
    office: Office,
) -> None:
    hostile = 'x"}\r\n\x1b[31mfake\u2028{"actor":"root'
    order = {"account": "acme", "id": "K-1", "why": hostile}
    told = await office.ask("POST", KEYS, order, by="operator", client=("192.0.2.7", 1))
    page = (await office.ask("GET", f"{AUDIT}?kind=key&subject=K-1", by="viewer")).json
    [record] = page["items"]
    assert (record["actor"], record["from"], record["at_ms"]) == ("operator", "192.0.2.7", office.now)
    assert (record["why"], record["before"], record["after"]["state"]) == (hostile, None, "active")
    token = (await office.ask("POST", "/admin/v1/tokens", {"name": "bob", "role": "viewer"})).json
    [made] = (await office.ask("GET", f"{AUDIT}?subject={token['token']['id']}")).json["items"]
    assert (made["actor"], made["command"], made["after"]["name"]) == ("admin", "create", "bob")
    exported = (await office.ask("GET", f"{AUDIT}/export")).body
    for secret in (told.json["secret"], token["secret"], *office.tokens.values()):
        assert secret.encode() not in exported


async def test_pages_go_back_to_the_first_record(office: Office) -> None:
    await office.ask("POST", KEYS, {"account": "acme"})
    numbers: list[int] = []
    target = f"{AUDIT}?limit=2"
    while True:
        page = (await office.ask("GET", target)).json
        numbers += [record["number"] for record in page["items"]]
        if page["next"] is None:
            break
        target = f"{AUDIT}?limit=2&cursor={page['next']}"
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[-1] == 1


async def test_records_are_found_by_who_what_and_when(office: Office) -> None:
    await office.ask("POST", KEYS, {"account": "acme", "id": "K-1"}, by="operator")
    office.later(1000)
    await office.ask("POST", f"{KEYS}/K-1/suspend", {})
    for query, count in (
        ("kind=key", 2),
        ("kind=key&actor=operator", 1),
        ("kind=key&command=suspend", 1),
        (f"kind=key&since_ms={office.now}", 1),
        (f"kind=key&until_ms={office.now}", 1),
        ("actor=nobody", 0),
    ):
        assert len((await office.ask("GET", f"{AUDIT}?{query}")).json["items"]) == count, query


async def test_an_export_verifies_offline(office: Office) -> None:
    await office.ask("POST", KEYS, {"account": "acme"})
    told = await office.ask("GET", f"{AUDIT}/export", by="viewer")
    assert (told.status, told.fields["content-type"]) == (200, "application/x-ndjson")
    lines = told.body.splitlines()
    assert isinstance(verified_export(lines, {AUDIT_KEY.id: AUDIT_KEY.public}), Whole)
    assert json.loads(lines[0])["record"]["number"] == 1
    assert (await office.ask("HEAD", f"{AUDIT}/export")).body == b""
