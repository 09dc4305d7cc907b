from sqlalchemy import create_engine, inspect

from guard.state.sql_schema import bring_up_to_date


def test_migrations_run_on_the_connection_and_in_the_transaction_of_the_caller() -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        bring_up_to_date(connection)
        tables = {"keys", "audit_records", "audit_checkpoints", "head", "alembic_version"}
        assert set(inspect(connection).get_table_names()) == tables
        assert connection.in_transaction()
    engine.dispose()
