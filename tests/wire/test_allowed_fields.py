from guard.model.names import RequestId
from guard.model.questions import Reading
from guard.wire.allowed_fields import allowed_fields
from tests.build import limit


def test_an_answer_says_its_limits_its_id_and_that_it_was_sent() -> None:
    reading = Reading(limit("key", capacity=10), remaining=9, wait_ms=0, next_ms=1000, short=False, cost=1)
    assert allowed_fields((reading,), RequestId("req_1")) == (
        (b"ratelimit-policy", b'"key";q=10;w=10'),
        (b"ratelimit", b'"key";r=9;t=1'),
        (b"guard-request-id", b"req_1"),
        (b"guard-sent", b"yes"),
    )
    assert allowed_fields((), RequestId("req_1")) == ((b"guard-request-id", b"req_1"), (b"guard-sent", b"yes"))
