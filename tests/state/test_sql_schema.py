from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text

from guard.state import sql_schema
from guard.state.database import Database
from guard.state.sql_schema import METADATA, SCHEMA_VERSION, bring_up_to_date, schema_version


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.connect() as opened:
        yield opened
    engine.dispose()


def test_empty_database_has_no_schema(connection: Connection) -> None:
    assert schema_version(connection) is None


async def test_migrations_make_exactly_the_tables_that_the_code_uses(url: str) -> None:
    database = await Database.open(url)
    async with database.reading() as connection:
        assert await connection.run_sync(_differences) == []
        assert await connection.scalar(text("select revision from head where id = 1")) == 0
    await database.close()


def _differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection), METADATA))


def test_schema_version_is_that_of_the_newest_migration(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(sql_schema.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_heads() == [SCHEMA_VERSION]
    bring_up_to_date(connection)
    assert schema_version(connection) == SCHEMA_VERSION


def test_current_database_is_left_alone(connection: Connection) -> None:
    bring_up_to_date(connection)
    connection.execute(text("update head set revision = 5"))
    bring_up_to_date(connection)
    assert connection.scalar(text("select revision from head")) == 5


def test_a_consent_of_before_its_own_row_told_whether_it_was_made_counts_no_more(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(sql_schema.__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "0012")
    row = "insert into releases (id, command, requested_by, requested_at, why, expires_at, state, change) values "
    for name, state, change in (("a", "confirmed", "'x:y'"), ("b", "pending", "'x:y'"), ("c", "confirmed", "null")):
        connection.execute(text(f"{row} ('{name}', 'reload', 'alice', 1, '', 2, '{state}', {change})"))
    bring_up_to_date(connection)
    found = connection.execute(text("select id, made from releases order by id"))
    assert [tuple(each) for each in found] == [("a", "over"), ("b", ""), ("c", "")]
