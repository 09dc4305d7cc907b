import pytest

from guard.state.head import Head, locked_head, move_head, read_head
from guard.state.vault import Vault


async def test_new_head_is_at_zero_and_moves_with_the_transaction(vault: Vault) -> None:
    async with vault.database.reading() as connection:
        head = await read_head(connection)
        assert (head.revision, head.records, head.hash) == (0, 0, "0" * 64)
    async with vault.database.writing() as connection:
        await move_head(connection, Head(3, 5, "f" * 64, "0a"))
        assert await locked_head(connection) == Head(3, 5, "f" * 64, "0a")
    with pytest.raises(LookupError):
        await _abandoned(vault)
    async with vault.database.reading() as connection:
        assert await read_head(connection) == Head(3, 5, "f" * 64, "0a")


async def _abandoned(vault: Vault) -> None:
    async with vault.database.writing() as connection:
        await move_head(connection, Head(4, 6, "e" * 64, "0b"))
        raise LookupError
