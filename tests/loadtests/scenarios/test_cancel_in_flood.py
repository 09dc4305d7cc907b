"""A key that floods with orders, and cancels."""

from tests.loadtests.locustfile import Answer, user

LIMITED = {"guard_reason": "limit.key", "guard_sent": "no"}


def test_a_flood_may_be_limited_and_a_cancel_may_not() -> None:
    with user("cancel_in_flood", "Flooder", lambda _: Answer(429, **LIMITED)) as (flooder, client, _):
        flooder.order()
        assert client.answers[0].failed == ""
    with user("cancel_in_flood", "Canceller", lambda _: Answer(429, **LIMITED)) as (canceller, client, tally):
        canceller.cancel()
        assert client.answers[0].failed == "429 limit.key, expected 200"
    assert (tally.names["cancel"].cancels, tally.names["cancel"].legit) == (True, True)
    assert (client.sent[0].method, client.sent[0].target) == ("DELETE", "/v1/orders/o-1")
