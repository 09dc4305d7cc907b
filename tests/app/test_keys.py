"""The keyring, opened on a home that may be new."""

from pathlib import Path

from guard.app.keys import open_keyring
from guard.service.key_orders import KeyOrder
from guard.service.keyring import By
from guard.settings import Settings


async def test_what_was_made_is_there_when_the_keyring_is_opened_again(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    async with open_keyring(settings) as keyring:
        issued = await keyring.create(KeyOrder(account="acme", scopes=("trade",)), By("test", "first"))
    async with open_keyring(settings) as keyring:
        assert (await keyring.show(issued.key.id)).account == "acme"
    assert (tmp_path / "home").stat().st_mode & 0o077 == 0
