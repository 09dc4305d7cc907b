import contextlib

from guard.model.exchange import Sent
from guard.upstream.answer import Answer, UpstreamFailure
from guard.upstream.body_stream import BodyStream


async def test_closing_an_answer_abandons_a_body_that_has_not_ended() -> None:
    abandoned: list[str] = []
    stream = BodyStream(resume=lambda: None, abandon=lambda: abandoned.append("abandoned"))
    async with contextlib.aclosing(Answer(200, b"OK", (), stream, [])):
        pass
    assert abandoned == ["abandoned"]


async def test_closing_a_whole_answer_does_nothing() -> None:
    answer = Answer(200, b"OK", ((b"a", b"b"),), b"hi", [])
    await answer.aclose()
    assert (answer.status, answer.reason, answer.fields, answer.body, answer.trailers) == (
        200,
        b"OK",
        ((b"a", b"b"),),
        b"hi",
        [],
    )


def test_failure_says_what_became_of_the_request() -> None:
    failure = UpstreamFailure("upstream.broken", Sent.UNKNOWN, "reset")
    assert (failure.code, failure.sent, failure.source) == ("upstream.broken", Sent.UNKNOWN, "reset")
    assert str(failure) == "upstream.broken (sent: unknown): reset"
