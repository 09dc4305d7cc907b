from sqlalchemy import create_engine, inspect, text

from guard.state.sql_schema import bring_up_to_date


def test_eleventh_schema_adds_an_empty_table_of_overrides() -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        bring_up_to_date(connection)
        assert inspect(connection).get_pk_constraint("overrides")["constrained_columns"] == ["id"]
        assert [each["column_names"] for each in inspect(connection).get_indexes("overrides")] == [["revision"]]
        assert connection.scalar(text("select count(*) from overrides")) == 0
    engine.dispose()
