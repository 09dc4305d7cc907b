from sqlalchemy import create_engine, inspect

from guard.state.sql_schema import METADATA, bring_up_to_date


def test_migrations_run_on_the_connection_and_in_the_transaction_of_the_caller() -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        bring_up_to_date(connection)
        assert set(inspect(connection).get_table_names()) == {*METADATA.tables, "alembic_version"}
        assert connection.in_transaction()
    engine.dispose()
