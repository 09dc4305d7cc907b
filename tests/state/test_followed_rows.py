"""Rows, their audit records and the next revision are written together."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from guard.model.halts import Halt, HaltId
from guard.state.followed_rows import all_of, document_of, write
from guard.state.sealing import SealingKey
from guard.state.sql_schema import HALTS
from guard.state.vault import Vault
from tests.build import halt
from tests.state.key_records import deed


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[Vault]:
    opened = await Vault.open(f"sqlite:///{tmp_path}/guard.db", SealingKey(bytes(32), Path("sealing.key")))
    yield opened
    await opened.close()


async def _written(vault: Vault, *changes: tuple[Halt | None, Halt], untold: str | None = None) -> tuple[Halt, ...]:
    async with vault.database.writing() as connection:
        return await write(
            connection, HALTS, changes, deed(), audited_as="halt", is_told=lambda row: row.name != untold
        )


async def test_all_of_one_change_have_its_revision_and_stand_in_the_trail(vault: Vault) -> None:
    first, second = halt(id=HaltId("a")), halt(id=HaltId("b"))
    assert [(row.id, row.revision) for row in await _written(vault, (None, first), (None, second))] == [
        ("a", 1),
        ("b", 1),
    ]
    assert await vault.keys.head() == 1
    records = await vault.trail.records()
    assert [(each.subject.kind, each.subject.id, each.before) for each in records] == [
        ("halt", "a", None),
        ("halt", "b", None),
    ]


async def test_a_row_is_written_over_what_it_was(vault: Vault) -> None:
    [before] = await _written(vault, (None, halt(id=HaltId("a"), why="x")))
    [after] = await _written(vault, (before, halt(id=HaltId("a"), why="y")))
    async with vault.database.reading() as connection:
        assert await all_of(connection, HALTS, Halt) == [after]
    assert (after.why, after.revision) == ("y", 2)
    last = (await vault.trail.records())[-1]
    assert last.before is not None
    assert (last.before["why"], last.after is not None and last.after["why"]) == ("x", "y")


async def test_what_is_no_deed_is_written_and_stands_in_no_trail(vault: Vault) -> None:
    await _written(vault, (None, halt(id=HaltId("a"), name="quiet")), untold="quiet")
    assert await vault.keys.head() == 1
    assert await vault.trail.records() == ()
    async with vault.database.reading() as connection:
        assert [row.name for row in await all_of(connection, HALTS, Halt)] == ["quiet"]


def test_a_row_comes_back_as_it_was_written() -> None:
    document = '{"id":"a","kind":"all","name":"","why":"x","actor":"alice","since":5}'
    assert document_of(document, Halt) == halt(id=HaltId("a"), why="x", since=5)
