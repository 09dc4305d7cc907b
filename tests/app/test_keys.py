"""The keyring, opened on a home that may be new."""

from pathlib import Path

from guard.app.keys import open_keyring, tombstones_of
from guard.core.lifecycle import KeyCommand
from guard.service.key_orders import KeyOrder
from guard.service.keyring import By
from guard.settings import Settings
from tests.ports import free_port


async def test_what_was_made_is_there_when_the_keyring_is_opened_again(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    async with open_keyring(settings) as keyring:
        issued = await keyring.create(KeyOrder(account="acme", scopes=("trade",)), By("test", "first"))
    async with open_keyring(settings) as keyring:
        assert (await keyring.show(issued.key.id)).account == "acme"
    assert (tmp_path / "home").stat().st_mode & 0o077 == 0


async def test_store_that_cannot_be_used_hinders_no_revocation(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, state_url=f"redis://127.0.0.1:{free_port()}/0")
    async with open_keyring(settings) as keyring:
        issued = await keyring.create(KeyOrder(account="acme"), By("test"))
        ended = await keyring.command(issued.key.id, KeyCommand.DEACTIVATE, By("test"))
    assert ended.state == "deactivated"
    assert tombstones_of(Settings(home=tmp_path)) is None
