from sqlalchemy import create_engine, inspect, text

from guard.state.sql_schema import bring_up_to_date


def test_first_schema_starts_at_revision_zero_with_its_indexes() -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        bring_up_to_date(connection)
        assert connection.execute(text("select id, revision from head")).all() == [(1, 0)]
        found = {index["name"] for table in ("keys", "audit") for index in inspect(connection).get_indexes(table)}
        assert found == {"ix_keys_account", "ix_keys_revision", "ix_audit_key_id"}
    engine.dispose()
