"""After the judgement: refused, or passed on, and the client always told which."""

from tests.build import facts, signed
from tests.edges.gateway import front
from tests.upstream.scripted_backend import OK, answering

_ok = answering(OK)


async def test_an_answer_says_that_the_backend_was_reached_and_what_room_is_left() -> None:
    async with front(_ok) as gateway:
        response = await gateway.ask(signed())
        assert response.fields[b"guard-sent"] == b"yes"
        assert response.fields[b"guard-request-id"] == b"req_0"
        assert response.fields[b"ratelimit"].startswith(b'"key";r=2')


async def test_a_body_that_was_not_read_ends_the_connection() -> None:
    async with front(_ok) as gateway:
        refused = await gateway.ask(signed(body=b"x", secret=b"forged"), b"x")
        assert refused.fields[b"connection"] == b"close"
        read = await gateway.ask(signed(body=b"x"), b"y")
        assert read.status == 401
        assert b"connection" not in read.fields


async def test_head_is_refused_without_a_body() -> None:
    async with front(_ok) as gateway:
        refused = await gateway.ask(facts("HEAD", b"/nowhere"))
        assert (refused.status, refused.body) == (404, b"")
        assert int(refused.fields[b"content-length"]) > 0
