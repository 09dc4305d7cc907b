"""The order in which a call is judged, and that nobody gets past it."""

import json
from pathlib import Path

import pytest

from guard.core.lifecycle import KeyCommand
from guard.edges.admin.routes import ROUTES
from guard.model.admins import Role
from guard.service.key_steps import By
from guard.state.database import DatabaseError
from tests.edges.admin.office import Office, opened_office

KEYS = "/admin/v1/keys"
ORDER = {"account": "acme", "scopes": ["read"]}
EVERY = [(route.method, route.path.replace("{id}", "K-1"), route.role) for route in ROUTES]


async def no_key(office: Office) -> bool:
    return (await office.keyring.keys()) == ()


async def test_a1_nobody_without_an_administrators_token_is_told_or_changes_anything(office: Office) -> None:
    revoked = await office.hire("leaver", Role.ADMIN)
    [token] = [each for each in await office.admins.all() if each.name == "leaver"]
    await office.admins.revoke(token.id, By("setup"))
    bad = [
        (),
        ((b"authorization", b"Bearer "),),
        ((b"authorization", f"Bearer {revoked}".encode()),),
        ((b"authorization", b"Bearer gs_trading-key"),),
        ((b"authorization", f"Basic {office.tokens['admin']}".encode()),),
        ((b"authorization", f"Bearer {office.tokens['admin'][:-1]}".encode()),),
        ((b"authorization", f"Bearer {office.tokens['admin']}".encode()),) * 2,
        ((b"guard-key", b"k"), (b"guard-signature", b"x")),
    ]
    for fields in bad:
        for method, path, _ in EVERY:
            told = await office.ask(method, path, ORDER, by=None, fields=fields)
            assert (told.status, told.code) in ((401, "admin.unauthenticated"), (429, "admin.throttled"))
    assert await no_key(office)


@pytest.mark.parametrize(("method", "path", "role"), EVERY)
async def test_a1_a_lesser_role_is_refused_before_its_body_is_read(
    office: Office, method: str, path: str, role: Role
) -> None:
    for lesser in [each for each in Role if not each.includes(role)]:
        told = await office.ask(method, path, raw=b"not JSON", by=lesser.value)
        assert (told.status, told.code) == (403, "admin.forbidden")
    told = await office.ask(method, path, raw=b"not JSON", by=role.value)
    assert told.status != 403


A2 = [
    ((b"origin", b"https://evil.test"),),
    ((b"origin", b"null"),),
    ((b"origin", b"http://127.0.0.1:8091"),),
    ((b"sec-fetch-site", b"cross-site"),),
    ((b"sec-fetch-site", b"same-site"),),
    ((b"origin", b"http://127.0.0.1:8090"), (b"origin", b"https://evil.test")),
]


@pytest.mark.parametrize("fields", A2)
async def test_a2_a_page_of_another_origin_is_refused(office: Office, fields: tuple[tuple[bytes, bytes], ...]) -> None:
    told = await office.ask("POST", KEYS, ORDER, fields=fields)
    assert (told.status, told.code) == (403, "admin.cross_origin")
    assert await no_key(office)


@pytest.mark.parametrize("origin", [b"http://127.0.0.1:8090", b"https://127.0.0.1:8090"])
async def test_a2_a_page_of_its_own_origin_may_also_behind_tls(office: Office, origin: bytes) -> None:
    fields = ((b"origin", origin), (b"sec-fetch-site", b"same-origin"))
    assert (await office.ask("POST", KEYS, ORDER, fields=fields)).status == 201


async def test_a2_a_form_is_no_order(office: Office) -> None:
    for media in (b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x"):
        raw = json.dumps(ORDER).encode()
        told = await office.ask("POST", KEYS, raw=raw, fields=((b"content-type", media),))
        assert (told.status, told.code) == (415, "admin.media_type")
    assert await no_key(office)


async def test_a2_no_answer_allows_another_origin(office: Office) -> None:
    asked = ((b"origin", b"https://evil.test"), (b"access-control-request-method", b"POST"))
    for told in (await office.ask("OPTIONS", KEYS, by=None, fields=asked), await office.ask("GET", KEYS)):
        assert not [name for name in told.fields if name.startswith(("access-control", "set-cookie"))]


BANS = "/admin/v1/bans"


async def test_a2_get_and_head_change_nothing(office: Office) -> None:
    await office.ask("POST", KEYS, {**ORDER, "id": "K-1"})
    told = await office.ask("POST", BANS, {"kind": "ip", "name": "192.0.2.9", "for_ms": 60_000, "why": "noise"})
    ban = told.json["ban"]["id"]
    before = await office.keyring.history("K-1")
    for route in ROUTES:
        path = route.path.replace("{id}", ban if "/bans/" in route.path else "K-1")
        reads = any((each.method, each.path) == ("GET", route.path) for each in ROUTES)
        for method in ("GET", "HEAD"):
            told = await office.ask(method, path)
            assert told.status == (200 if reads else 405)
    assert await office.keyring.history("K-1") == before
    assert len(await office.admins.all()) == 3


@pytest.mark.parametrize("host", [b"evil.test", b"127.0.0.1.evil.test:8090", b"", b"169.254.1.1", b"[::2]:8090"])
async def test_a_host_that_was_not_meant_is_refused(office: Office, host: bytes) -> None:
    told = await office.ask("GET", KEYS, host=host)
    assert (told.status, told.code) == (421, "admin.misdirected")


@pytest.mark.parametrize("host", [b"127.0.0.1", b"LOCALHOST:8090", b"[::1]:8090"])
async def test_a_host_that_was_meant_is_served(office: Office, host: bytes) -> None:
    assert (await office.ask("GET", KEYS, host=host)).status == 200


async def test_two_hosts_are_none(office: Office) -> None:
    assert (await office.ask("GET", KEYS, fields=((b"host", b"127.0.0.1"),))).status == 421


async def test_what_came_through_a_gateway_is_refused(office: Office) -> None:
    told = await office.ask("GET", KEYS, fields=((b"guard-request-id", b"req_1"),))
    assert (told.status, told.code) == (403, "admin.forwarded")


A3 = [
    ("POST", KEYS, {"role": "admin"}, "#/role"),
    ("POST", KEYS, {"state": "active"}, "#/state"),
    ("POST", KEYS, {"created_at_ms": 0}, "#/created_at_ms"),
    ("POST", KEYS, {"material": "x"}, "#/material"),
    ("POST", KEYS, {"revision": 5}, "#/revision"),
    ("POST", KEYS, {"secret": "s" * 32}, "#/secret"),
    ("POST", KEYS, {"scopes": "read"}, "#/scopes"),
    ("POST", KEYS, {"account": ["acme"]}, "#/account"),
    ("POST", KEYS, {"expires_at_ms": -1}, "#/expires_at_ms"),
    ("POST", KEYS, {"expires_at_ms": 10**309}, "#/expires_at_ms"),
    ("POST", KEYS, {"label": "a" * 129}, "#/label"),
    ("POST", KEYS, {"label": "a\u0000"}, "#/label"),
    ("POST", "/admin/v1/tokens", {"name": "eve", "role": "root"}, "#/role"),
    ("POST", "/admin/v1/tokens", {"name": "eve", "role": "admin", "digest": "00"}, "#/digest"),
]


@pytest.mark.parametrize(("method", "target", "body", "pointer"), A3)
async def test_a3_what_was_not_asked_for_is_refused_with_a_pointer_and_nothing_is_stored(
    office: Office, method: str, target: str, body: dict[str, object], pointer: str
) -> None:
    told = await office.ask(method, target, {**ORDER, **body} if target == KEYS else body)
    assert (told.status, told.code, told.json["errors"][0]["pointer"]) == (400, "admin.malformed", pointer)
    assert await no_key(office)
    assert len(await office.admins.all()) == 3


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"expires_at_ms": 1}, "#/expires_at_ms"),
        ({"networks": ["10.0.0.1/8"]}, "#/networks"),
        ({"bounds": {"only": {"Symbol": ["x"]}}}, "#/bounds"),
        ({"label": "a\nb"}, "#/label"),
        ({"algorithm": "ed25519"}, "#/public_key"),
        ({"algorithm": "ed25519", "public_key": "junk"}, "#/public_key"),
    ],
)
async def test_what_is_well_formed_and_cannot_be_is_422(office: Office, body: dict[str, object], pointer: str) -> None:
    told = await office.ask("POST", KEYS, {**ORDER, **body})
    assert (told.status, told.code, told.json["errors"][0]["pointer"]) == (422, "admin.invalid", pointer)
    assert await no_key(office)


HOSTILE = 'x"}\r\n\x1b[31mfake admin created key\u2028{"actor":"root'


async def test_a4_every_change_is_one_record_with_actor_time_before_and_after(office: Office) -> None:
    told = await office.ask("POST", KEYS, {**ORDER, "id": "K-1", "why": HOSTILE}, by="operator")
    assert told.status == 201
    await office.ask("POST", f"{KEYS}/K-1/suspend", {"why": HOSTILE}, by="operator")
    first, second = (await office.ask("GET", f"{KEYS}/K-1", by="viewer")).json["history"]
    assert (first["why"], first["before"], first["after"]["state"]) == (HOSTILE, None, "active")
    assert (second["actor"], second["command"], second["why"]) == ("operator", "suspend", HOSTILE)
    assert (second["at_ms"], second["before"]["state"], second["after"]["state"]) == (office.now, "active", "suspended")
    assert told.json["secret"] not in json.dumps([first, second])


async def test_a_body_has_a_size(office: Office) -> None:
    raw = b'{"account":"' + b"a" * (1024 * 1024) + b'"}'
    told = await office.ask("POST", KEYS, raw=raw, fields=((b"content-type", b"application/json"),))
    assert (told.status, told.code) == (413, "admin.too_large")


async def test_a_method_that_a_resource_has_not_is_405_and_says_which_it_has(office: Office) -> None:
    told = await office.ask("DELETE", KEYS)
    assert (told.status, told.code, told.fields["allow"]) == (405, "admin.method", "GET, POST, HEAD")
    told = await office.ask("GET", f"{KEYS}/K-1/suspend")
    assert (told.status, told.fields["allow"]) == (405, "POST")


@pytest.mark.parametrize("path", ["/", "/admin", "/admin/v1", "/admin/v1/nothing", f"{KEYS}/", f"{KEYS}/%ff", "/v1/x"])
async def test_a_path_that_is_not_there_is_a_problem(office: Office, path: str) -> None:
    told = await office.ask("GET", path)
    assert told.status in (400, 404)
    assert told.fields["content-type"] == "application/problem+json"


async def test_head_is_get_without_its_body(office: Office) -> None:
    told = await office.ask("HEAD", KEYS)
    assert (told.status, told.body) == (200, b"")
    assert int(told.fields["content-length"]) > 0


async def test_every_answer_is_kept_by_nobody_and_taken_for_nothing_else(office: Office) -> None:
    for told in (await office.ask("GET", KEYS), await office.ask("GET", KEYS, by=None)):
        assert (told.fields["cache-control"], told.fields["x-content-type-options"]) == ("no-store", "nosniff")


async def test_health_needs_no_token_and_no_host(office: Office) -> None:
    assert (await office.ask("GET", "/livez", by=None, host=b"10.0.0.7:8090")).status == 200
    assert (await office.ask("GET", "/readyz", by=None)).status == 200
    assert (await office.ask("GET", "/metrics", by=None)).body == b"metrics"
    office.is_ready = False
    assert (await office.ask("GET", "/readyz", by=None)).status == 503


async def test_a_database_that_does_not_answer_is_503(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: object) -> None:
        raise DatabaseError("the disk is gone")

    monkeypatch.setattr(office.admins, "all", fails)
    told = await office.ask("GET", "/admin/v1/tokens")
    assert (told.status, told.code, told.fields["retry-after"]) == (503, "admin.unavailable", "1")
    assert "disk" not in told.body.decode()


async def test_a_bug_of_ours_is_500_counted_and_tells_nothing(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: object) -> None:
        raise ZeroDivisionError("a secret detail")

    monkeypatch.setattr(office.admins, "all", fails)
    told = await office.ask("GET", "/admin/v1/tokens")
    assert (told.status, told.code, office.api.failures) == (500, "admin.error", 1)
    assert "secret detail" not in told.body.decode()


async def test_a_body_that_ends_early_is_refused(office: Office) -> None:
    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    messages = []

    async def send(message: object) -> None:
        messages.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "scheme": "http",
        "path": KEYS,
        "raw_path": KEYS.encode(),
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"authorization", f"Bearer {office.tokens['admin']}".encode())],
        "client": None,
    }
    await office.api(scope, receive, send)
    assert messages[0]["status"] == 400  # type: ignore[index]


async def test_other_scopes_are_closed(office: Office) -> None:
    sent = []

    async def send(message: object) -> None:
        sent.append(message)

    async def receive() -> dict[str, object]:
        return {"type": "websocket.connect"}

    await office.api({"type": "websocket", "path": KEYS}, receive, send)
    assert sent[0]["type"] == "websocket.close"  # type: ignore[index]


async def test_nothing_is_decided_by_what_a_proxy_says(tmp_path: Path) -> None:
    async with opened_office(tmp_path) as office:
        fields = ((b"x-forwarded-for", b"127.0.0.1"), (b"x-forwarded-host", b"localhost"))
        told = await office.ask("GET", KEYS, by=None, fields=fields, host=b"evil.test")
        assert told.status == 421


def test_the_api_has_each_command_of_the_keyring_but_activating() -> None:
    words = {route.path.rpartition("/")[2] for route in ROUTES if route.path.startswith(f"{KEYS}/{{id}}/")}
    assert words - {"rotate"} == {"suspend", "resume", "revoke", "compromise", "destroy"}
    assert len(words) == len(KeyCommand)
