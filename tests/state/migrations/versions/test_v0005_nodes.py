from sqlalchemy import create_engine, inspect, text

from guard.state.sql_schema import bring_up_to_date


def test_fifth_schema_adds_an_empty_table_of_nodes() -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        bring_up_to_date(connection)
        assert inspect(connection).get_pk_constraint("nodes")["constrained_columns"] == ["id"]
        assert connection.scalar(text("select count(*) from nodes")) == 0
    engine.dispose()
