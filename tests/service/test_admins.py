"""Tokens: told once, kept as a digest, good until they end."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from guard.model.admins import Role
from guard.model.names import UnixMs
from guard.service.admins import Admins
from guard.service.key_orders import KeyringError, Obstacle
from guard.signing.tokens import is_admin_token
from tests.service.ring import ALICE, START, Ring, opened_ring

MINUTE_MS = 60_000


@pytest.fixture
async def ring(tmp_path: Path) -> AsyncIterator[Ring]:
    async with opened_ring(tmp_path) as opened:
        yield opened


@pytest.fixture
def admins(ring: Ring) -> Admins:
    return ring.admins


async def test_a_token_is_told_once_and_is_in_no_file_of_the_database(ring: Ring, tmp_path: Path) -> None:
    issued = await ring.admins.create("bob", Role.OPERATOR, ALICE)
    assert is_admin_token(issued.text)
    assert issued.text not in repr(issued) + repr(await ring.admins.all()) + str(await ring.vault.trail.records())
    files = [file.read_bytes() for file in tmp_path.iterdir()]  # noqa: ASYNC240  # small, and nobody waits
    assert files
    assert not [content for content in files if issued.text.encode() in content]


async def test_who_holds_a_token_is_known_by_it(admins: Admins) -> None:
    issued = await admins.create("bob", Role.OPERATOR, ALICE)
    token = await admins.signed_in(issued.text)
    assert token is not None
    assert (token.name, token.role, token.created_by) == ("bob", Role.OPERATOR, "alice")


async def test_what_is_no_token_or_no_longer_good_opens_nothing(ring: Ring, admins: Admins) -> None:
    issued = await admins.create("bob", Role.ADMIN, ALICE, expires_at_ms=START + 10)
    for text in ("", "ga_", issued.text[:-1], issued.text + "x", "ga_" + "x" * 49, admins.mint(), "é"):
        assert await admins.signed_in(text) is None
    assert await admins.signed_in(issued.text) is not None
    ring.now = UnixMs(START + 10)
    assert await admins.signed_in(issued.text) is None


async def test_a_revoked_token_opens_nothing(admins: Admins) -> None:
    issued = await admins.create("bob", Role.ADMIN, ALICE)
    assert (await admins.revoke(issued.token.id, ALICE)).revoked_at == START
    assert await admins.signed_in(issued.text) is None
    with pytest.raises(KeyringError, match="there is no token gt_no") as raised:
        await admins.revoke("gt_no", ALICE)
    assert raised.value.obstacle is Obstacle.UNKNOWN


async def test_last_use_is_written_once_a_minute(ring: Ring, admins: Admins) -> None:
    issued = await admins.create("bob", Role.ADMIN, ALICE)
    seen = []
    for later in (0, MINUTE_MS - 1, MINUTE_MS):
        ring.now = UnixMs(START + later)
        await admins.signed_in(issued.text)
        seen.append((await admins.all())[0].last_used_at)
    assert seen == [START, START, START + MINUTE_MS]


async def test_a_name_has_one_good_token(admins: Admins) -> None:
    await admins.create("bob", Role.ADMIN, ALICE)
    with pytest.raises(KeyringError, match="bob has a token already") as raised:
        await admins.create("bob", Role.VIEWER, ALICE)
    assert (raised.value.obstacle, raised.value.field) == (Obstacle.CONFLICT, "name")


@pytest.mark.parametrize("name", ["", "a b", "a\nb", ".a", "a" * 65, "é", "a/b"])
async def test_a_name_that_is_none_is_refused(admins: Admins, name: str) -> None:
    with pytest.raises(KeyringError, match="name") as raised:
        await admins.create(name, Role.ADMIN, ALICE)
    assert raised.value.field == "name"


async def test_a_token_that_would_have_expired_is_not_made(admins: Admins) -> None:
    with pytest.raises(KeyringError, match="expired already"):
        await admins.create("bob", Role.ADMIN, ALICE, expires_at_ms=START)


async def test_the_first_token_is_made_of_a_given_text_and_only_once(admins: Admins) -> None:
    text = admins.mint()
    assert await admins.bootstrap(text)
    token = await admins.signed_in(text)
    assert token is not None
    assert (token.name, token.role) == ("bootstrap", Role.ADMIN)
    assert not await admins.bootstrap(admins.mint())
    with pytest.raises(KeyringError):
        await admins.bootstrap("password")


async def test_sign_ins_stand_in_the_trail_with_who_and_from_where(ring: Ring, admins: Admins) -> None:
    issued = await admins.create("bob", Role.ADMIN, ALICE)
    await admins.record_sign_in(issued.token, "192.0.2.1")
    await admins.record_failed_sign_in("192.0.2.2")
    good, bad = (await ring.vault.trail.records())[-2:]
    assert (good.actor, good.command, good.origin, good.subject.id) == ("bob", "sign_in", "192.0.2.1", issued.token.id)
    assert (bad.actor, bad.command, bad.origin, bad.subject.kind) == ("nobody", "fail_sign_in", "192.0.2.2", "address")
