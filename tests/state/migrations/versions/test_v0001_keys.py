from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, inspect, text

from guard.state import sql_schema


def test_first_schema_starts_at_revision_zero_with_its_indexes() -> None:
    engine = create_engine("sqlite://")
    config = Config()
    config.set_main_option("script_location", str(Path(sql_schema.__file__).parent / "migrations"))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        assert connection.execute(text("select id, revision from head")).all() == [(1, 0)]
        found = {index["name"] for table in ("keys", "audit") for index in inspect(connection).get_indexes(table)}
        assert found == {"ix_keys_account", "ix_keys_revision", "ix_audit_key_id"}
    engine.dispose()
