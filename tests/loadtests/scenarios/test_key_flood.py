"""One key floods."""

import pytest

from tests.loadtests.locustfile import Answer, user


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        (Answer(200), ""),
        (Answer(429, guard_reason="limit.key", guard_sent="no"), ""),
        (Answer(429, guard_reason="limit.ip", guard_sent="no"), "429 limit.ip, expected 200 or 429 limit.key"),
        (Answer(503, guard_reason="gateway.overloaded"), "503 gateway.overloaded, expected 200 or 429 limit.key"),
    ],
)
def test_being_limited_by_the_key_s_own_bucket_is_right_and_by_nothing_else(answer: Answer, failed: str) -> None:
    with user("key_flood", "Flooder", lambda _: answer) as (flooder, client, tally):
        flooder.order()
    assert answer.failed == failed
    assert (client.sent[0].method, client.sent[0].target) == ("POST", "/v1/orders")
    assert not tally.names["flood"].legit
