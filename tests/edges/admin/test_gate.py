"""Signing in: throttled, recorded within bounds, and nobody is locked out by somebody else's guesses."""

from pathlib import Path

import pytest

from guard.edges.admin.gate import counted_address
from guard.edges.admin.throttle import Throttle
from guard.model.admins import Role
from guard.model.audit import AuditRecord
from guard.service.key_steps import By
from tests.edges.admin.office import Office, Told, opened_office

KEYS = "/admin/v1/keys"
HOUR_MS = 3_600_000


async def guess(office: Office, client: tuple[str, int] = ("192.0.2.9", 1)) -> Told:
    fields = ((b"authorization", b"Bearer ga_" + b"x" * 49),)
    return await office.ask("GET", KEYS, by=None, fields=fields, client=client)


async def records(office: Office, command: str) -> list[AuditRecord]:
    return [record for record in await office.vault.trail.records() if record.command == command]


async def test_too_many_failed_sign_ins_of_an_address_are_throttled_and_say_how_long(tmp_path: Path) -> None:
    async with opened_office(tmp_path, throttle=Throttle(failures=3)) as office:
        assert [(await guess(office)).status for _ in range(5)] == [401, 401, 401, 429, 429]
        told = await guess(office)
        assert 1 <= int(told.fields["retry-after"]) <= 60
        assert (await guess(office, ("192.0.2.10", 1))).status == 401


async def test_a_network_of_ipv6_is_one_address(tmp_path: Path) -> None:
    async with opened_office(tmp_path, throttle=Throttle(failures=1)) as office:
        assert (await guess(office, ("2001:db8::1", 1))).status == 401
        assert (await guess(office, ("2001:db8::2", 1))).status == 429
        assert (await guess(office, ("2001:db8:0:1::1", 1))).status == 401


async def test_who_signed_in_lately_keeps_the_way_in_beside_a_guesser(tmp_path: Path) -> None:
    async with opened_office(tmp_path, throttle=Throttle(failures=1)) as office:
        client = ("192.0.2.9", 1)
        assert (await office.ask("GET", KEYS, by="viewer", client=client)).status == 200
        await guess(office)
        assert (await office.ask("GET", KEYS, by="viewer", client=client)).status == 200
        assert (await office.ask("GET", KEYS, by="admin", client=client)).status == 429
        office.later(HOUR_MS)
        assert (await office.ask("GET", KEYS, by="viewer", client=client)).status == 429


async def test_a_request_without_any_token_is_no_guess(tmp_path: Path) -> None:
    async with opened_office(tmp_path, throttle=Throttle(failures=1)) as office:
        for _ in range(3):
            told = await office.ask("GET", KEYS, by=None)
            assert (told.status, told.fields["www-authenticate"]) == (401, 'Bearer realm="guard admin"')
        assert (await office.ask("GET", KEYS)).status == 200


async def test_calls_of_a_token_and_of_an_address_are_throttled(tmp_path: Path) -> None:
    async with opened_office(tmp_path, throttle=Throttle(calls=2)) as office:
        one, other = ("192.0.2.1", 1), ("192.0.2.2", 1)
        assert [(await office.ask("GET", KEYS, client=one)).status for _ in range(3)] == [200, 200, 429]
        assert (await office.ask("GET", KEYS, client=other)).status == 429  # the token's budget is spent
        assert (await office.ask("GET", KEYS, by="viewer", client=one)).status == 429  # the address's is
        assert (await office.ask("GET", KEYS, by="viewer", client=other)).status == 200


async def test_the_document_is_open_and_throttled(tmp_path: Path) -> None:
    async with opened_office(tmp_path, throttle=Throttle(calls=2)) as office:
        target = "/admin/v1/openapi.json"
        assert [(await office.ask("GET", target, by=None)).status for _ in range(3)] == [200, 200, 429]


async def test_the_first_sign_in_of_a_token_from_an_address_in_an_hour_is_in_the_audit_trail(office: Office) -> None:
    for _ in range(3):
        await office.ask("GET", KEYS, by="viewer", client=("192.0.2.1", 1))
    await office.ask("GET", KEYS, by="viewer", client=("192.0.2.2", 1))
    office.later(HOUR_MS)
    await office.ask("GET", KEYS, by="viewer", client=("192.0.2.1", 2))
    found = [(record.actor, record.origin) for record in await records(office, "sign_in")]
    assert found == [("viewer", "192.0.2.1"), ("viewer", "192.0.2.2"), ("viewer", "192.0.2.1")]


async def test_failed_sign_ins_cannot_fill_the_audit_trail(tmp_path: Path) -> None:
    async with opened_office(tmp_path, throttle=Throttle(failures=1000, records=4)) as office:
        for number in range(1, 8):
            for _ in range(5):
                await guess(office, (f"192.0.2.{number}", 1))
        found = await records(office, "fail_sign_in")
        assert [(record.actor, record.origin) for record in found] == [
            ("nobody", f"192.0.2.{number}") for number in range(1, 5)
        ]


async def test_a_revoked_token_opens_nothing_from_its_next_call_on(office: Office) -> None:
    assert (await office.ask("GET", KEYS, by="viewer")).status == 200
    [token] = [each for each in await office.admins.all() if each.role is Role.VIEWER]
    await office.admins.revoke(token.id, By("admin"))
    assert (await office.ask("GET", KEYS, by="viewer")).status == 401


@pytest.mark.parametrize(
    ("client", "counted"),
    [
        (None, "unix"),
        (("192.0.2.1", 5), "192.0.2.1"),
        (("::ffff:192.0.2.1", 5), "192.0.2.1"),
        (("2001:db8::7", 5), "2001:db8::/64"),
        (("somewhere", 5), "somewhere"),
    ],
)
def test_whom_an_address_counts(client: tuple[str, int] | None, counted: str) -> None:
    assert counted_address(client) == counted
