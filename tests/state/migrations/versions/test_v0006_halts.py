from sqlalchemy import create_engine, inspect, text

from guard.state.sql_schema import bring_up_to_date


def test_sixth_schema_adds_an_empty_table_of_halts() -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        bring_up_to_date(connection)
        assert inspect(connection).get_pk_constraint("halts")["constrained_columns"] == ["id"]
        assert [each["column_names"] for each in inspect(connection).get_indexes("halts")] == [["revision"]]
        assert connection.scalar(text("select count(*) from halts")) == 0
    engine.dispose()
