from sqlalchemy import create_engine, text

from guard.state.sql_schema import bring_up_to_date


def test_nobody_seals_but_the_oldest_key() -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        bring_up_to_date(connection)
        assert connection.execute(text("select sealing_id from head")).all() == [(None,)]
    engine.dispose()
