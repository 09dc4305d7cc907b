"""Keys over HTTP: the same line as `guard keys`."""

import pytest

from tests.edges.admin.office import Office

KEYS = "/admin/v1/keys"


async def made(office: Office, **changes: object) -> str:
    told = await office.ask("POST", KEYS, {"account": "acme", "scopes": ["read"], **changes}, by="operator")
    assert told.status == 201, told.body
    return str(told.json["key"]["id"])


async def test_a_key_is_made_with_its_secret_and_found_again_without(office: Office) -> None:
    told = await office.ask("POST", KEYS, {"account": "acme", "scopes": ["read"], "why": "new"}, by="operator")
    assert told.status == 201
    assert told.json["secret"].startswith("gs_")
    assert (told.json["key"]["state"], told.json["release"]) == ("active", None)
    shown = await office.ask("GET", f"{KEYS}/{told.json['key']['id']}", by="viewer")
    assert shown.json["key"] == told.json["key"]
    [first] = shown.json["history"]
    assert (first["actor"], first["command"], first["why"], first["before"]) == ("operator", "create", "new", None)
    assert told.json["secret"] not in shown.body.decode()


async def test_k5_a_secret_is_in_the_creation_answer_and_in_no_other(office: Office) -> None:
    told = await office.ask("POST", KEYS, {"account": "acme", "id": "K-1"}, by="operator")
    secret = told.json["secret"]
    rotated = await office.ask("POST", f"{KEYS}/K-1/rotate", {}, by="operator")
    targets = (KEYS, f"{KEYS}/K-1", f"{KEYS}/{rotated.json['key']['id']}", "/admin/v1/policy", "/admin/v1/releases")
    for target in targets:
        answer = await office.ask("GET", target)
        assert answer.status == 200
        assert secret.encode() not in answer.body
        assert rotated.json["secret"].encode() not in answer.body
    suspended = await office.ask("POST", f"{KEYS}/K-1/suspend", {}, by="operator")
    assert secret.encode() not in suspended.body


@pytest.mark.parametrize(
    ("verb", "state"),
    [("suspend", "suspended"), ("revoke", "deactivated"), ("compromise", "compromised"), ("destroy", "destroyed")],
)
async def test_each_command_leads_where_the_keyring_says(office: Office, verb: str, state: str) -> None:
    key_id = await made(office)
    told = await office.ask("POST", f"{KEYS}/{key_id}/{verb}", {"why": "a reason"})
    assert (told.status, told.json["key"]["state"]) == (200, state)
    assert (told.json["nodes"]["in_force"], told.json["nodes"]["nodes"]) == (True, 0)


async def test_a_suspended_key_is_resumed(office: Office) -> None:
    key_id = await made(office)
    await office.ask("POST", f"{KEYS}/{key_id}/suspend", {})
    told = await office.ask("POST", f"{KEYS}/{key_id}/resume", {})
    assert (told.json["key"]["state"], told.json["release"]) == ("active", None)


async def test_a_command_that_the_state_forbids_is_a_conflict_and_changes_nothing(office: Office) -> None:
    key_id = await made(office)
    await office.ask("POST", f"{KEYS}/{key_id}/revoke", {})
    told = await office.ask("POST", f"{KEYS}/{key_id}/resume", {})
    assert (told.status, told.code) == (409, "admin.conflict")
    assert (await office.ask("GET", f"{KEYS}/{key_id}")).json["key"]["state"] == "deactivated"


async def test_asking_twice_for_a_key_with_an_id_makes_one(office: Office) -> None:
    order = {"account": "acme", "id": "K-1"}
    assert (await office.ask("POST", KEYS, order)).status == 201
    again = await office.ask("POST", KEYS, order)
    assert (again.status, again.code, again.json["errors"][0]["pointer"]) == (409, "admin.conflict", "#/id")
    assert len((await office.ask("GET", KEYS)).json["items"]) == 1


async def test_a_key_that_nobody_made_is_404(office: Office) -> None:
    for method, target in (("GET", f"{KEYS}/gk_no"), ("POST", f"{KEYS}/gk_no/suspend")):
        told = await office.ask(method, target, None if method == "GET" else {})
        assert (told.status, told.code) == (404, "admin.not_found")


async def test_an_id_with_slashes_is_one_segment_when_it_is_encoded(office: Office) -> None:
    key_id = await made(office, id="desk/7:a")
    told = await office.ask("GET", f"{KEYS}/desk%2F7:a")
    assert told.json["key"]["id"] == key_id
    assert (await office.ask("GET", f"{KEYS}/desk/7:a")).status == 404


async def test_a_rotated_key_goes_on_for_the_overlap(office: Office) -> None:
    key_id = await made(office)
    told = await office.ask("POST", f"{KEYS}/{key_id}/rotate", {"overlap_ms": 5000})
    assert (told.status, told.json["key"]["rotated_from"]) == (201, key_id)
    assert told.json["secret"].startswith("gs_")
    old = (await office.ask("GET", f"{KEYS}/{key_id}")).json["key"]
    assert old["dies_at_ms"] == office.now + 5000


async def test_imported_keys_are_all_taken_or_none(office: Office) -> None:
    keys = [{"id": "A-1", "account": "acme", "secret": "s" * 32}, {"id": "A-2", "account": "acme", "secret": "t" * 32}]
    told = await office.ask("POST", "/admin/v1/key-imports", {"keys": keys})
    assert (told.status, [key["id"] for key in told.json["items"]]) == (201, ["A-1", "A-2"])
    assert b"ssss" not in told.body
    more = [{"id": "A-3", "account": "acme", "secret": "u" * 32}, keys[0]]
    assert (await office.ask("POST", "/admin/v1/key-imports", {"keys": more})).status == 409
    assert (await office.ask("GET", f"{KEYS}/A-3")).status == 404


async def test_pages_hold_every_key_once_also_when_one_is_made_between_them(office: Office) -> None:
    expected = [await made(office) for _ in range(5)]
    seen: list[str] = []
    target = f"{KEYS}?limit=2"
    for _ in range(4):
        page = (await office.ask("GET", target, by="viewer")).json
        seen += [key["id"] for key in page["items"]]
        if page["next"] is None:
            break
        if len(seen) == 2:
            office.later(1)
            expected.append(await made(office))
        target = f"{KEYS}?limit=2&cursor={page['next']}"
    assert sorted(seen) == sorted(expected)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("account=acme", ["A"]),
        ("state=suspended", ["B"]),
        ("algorithm=api-key", ["C"]),
        ("scope=trade", ["B"]),
        ("scope=trad_", []),
        ("account=acme&state=suspended", []),
        ("lineage=A", ["A"]),
    ],
)
async def test_a_list_is_what_matches(office: Office, query: str, found: list[str]) -> None:
    await made(office, id="A")
    await made(office, id="B", account="beta", scopes=["read", "trade"])
    await made(office, id="C", account="beta", algorithm="api-key")
    await office.ask("POST", f"{KEYS}/B/suspend", {})
    told = await office.ask("GET", f"{KEYS}?{query}")
    assert [key["id"] for key in told.json["items"]] == found
