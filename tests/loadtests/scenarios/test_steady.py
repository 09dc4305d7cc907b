"""An ordinary day."""

from tests.loadtests.locustfile import user


def test_seven_tenths_read_a_quarter_orders_and_the_rest_cancels() -> None:
    with user("steady", "OrdinaryTrader") as (trader, _, _):
        weights = [task.__name__ for task in trader.tasks]
    assert {name: weights.count(name) for name in weights} == {"read": 14, "order": 5, "cancel": 1}


def test_each_asks_for_its_own_route_and_a_denial_of_any_is_one_too_many() -> None:
    with user("steady", "OrdinaryTrader") as (trader, client, tally):
        trader.read()
        trader.order()
        trader.cancel()
    assert [(each.method, each.target, each.name) for each in client.sent] == [
        ("GET", "/v1/orders", "read"),
        ("POST", "/v1/orders", "order"),
        ("DELETE", "/v1/orders/o-1", "cancel"),
    ]
    assert [name.legit for name in tally.names.values()] == [True, True, True]
    assert [name.cancels for name in tally.names.values()] == [False, False, True]
