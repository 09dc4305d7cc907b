"""One request and its answer as the ASGI application sees them."""

import asyncio
from typing import Any

import pytest

from guard.server.exchange import ClientGone, Exchange
from guard.server.head import RequestHead
from guard.server.peer import Names, Peer
from guard.wire.field_names import field_names
from tests.server.apps import Echo
from tests.server.in_memory import Home


class Carrier:
    """A connection that keeps what the exchange asks of it."""

    def __init__(self) -> None:
        self.home = Home(Echo())
        self.ending = False
        self.room: asyncio.Future[None] | None = None
        self.asked: list[str] = []
        self.written = b""

    def wants_body(self, exchange: Exchange) -> None:  # noqa: ARG002
        self.asked.append("body")

    def has_room(self) -> None:
        self.asked.append("room")

    def write(self, parts: tuple[bytes, ...]) -> asyncio.Future[None] | None:
        self.written += b"".join(parts)
        return self.room

    def answered(self, exchange: Exchange) -> None:  # noqa: ARG002
        self.asked.append("answered")

    def returned(self, exchange: Exchange, error: BaseException | None) -> None:
        pass


def _exchange(target: bytes = b"/", length: int | None = 0, peer: Peer | None = None) -> tuple[Exchange, Carrier]:
    carrier = Carrier()
    head = RequestHead("POST", target, "1.1", fields := ((b"a", b"b"),), field_names(fields), length)
    return Exchange(head, peer or Peer(Names(None, None)), carrier, asyncio.get_running_loop()), carrier


async def _answer(exchange: Exchange) -> None:
    await exchange.send({"type": "http.response.start", "status": 200})
    await exchange.send({"type": "http.response.body", "body": b"x"})


@pytest.mark.parametrize(
    ("target", "path", "raw_path", "query"),
    [
        (b"/a%2Fb?c=%2F", "/a/b", b"/a%2Fb", b"c=%2F"),
        (b"/", "/", b"/", b""),
        (b"*", "*", b"*", b""),
        (b"http://h/a?b", "/a", b"/a", b"b"),
        (b"http://h", "/", b"/", b""),
    ],
)
async def test_the_scope_says_what_came(target: bytes, path: str, raw_path: bytes, query: bytes) -> None:
    peer = Peer(Names(("c", 1), ("s", 2)))
    exchange, _ = _exchange(target, peer=peer)
    scope = exchange.scope()
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (path, raw_path, query)
    assert scope["extensions"] == {"guard": {"target": target, "connection": peer, "trailers": [], "body": b""}}
    assert (scope["type"], scope["method"], scope["http_version"], scope["scheme"]) == ("http", "POST", "1.1", "http")
    assert (scope["client"], scope["server"], scope["headers"]) == (("c", 1), ("s", 2), [(b"a", b"b")])
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.4"}


async def test_a_body_that_came_with_its_head_stands_in_the_scope_and_one_that_is_still_coming_does_not() -> None:
    whole, _ = _exchange(length=5)
    whole.push(b"ab", complete=False)
    whole.push(b"cde", complete=True)
    assert whole.scope()["extensions"]["guard"]["body"] == b"abcde"
    partial, _ = _exchange(length=5)
    partial.push(b"ab", complete=False)
    assert "body" not in partial.scope()["extensions"]["guard"]


async def test_a_body_is_received_as_it_comes() -> None:
    exchange, carrier = _exchange(length=5)
    receiving = asyncio.ensure_future(exchange.receive())
    await asyncio.sleep(0)
    assert (exchange.waiting, carrier.asked) == (True, ["body"])
    assert exchange.push(b"ab", complete=False) == 2
    assert await receiving == {"type": "http.request", "body": b"ab", "more_body": True}
    exchange.push(b"c", complete=False)
    assert exchange.push(b"de", complete=True) == 3
    assert await exchange.receive() == {"type": "http.request", "body": b"cde", "more_body": False}
    assert carrier.asked == ["body", "room"]


async def test_behind_the_body_nothing_comes_until_the_answer_or_the_end_of_the_client() -> None:
    for ends in ("answer", "lose"):
        exchange, _ = _exchange()
        assert await exchange.receive() == {"type": "http.request", "body": b"", "more_body": False}
        receiving = asyncio.ensure_future(exchange.receive())
        await asyncio.sleep(0)
        assert not receiving.done()
        if ends == "answer":
            await _answer(exchange)
        else:
            exchange.lose()
        assert await receiving == {"type": "http.disconnect"}


async def test_who_is_gone_cannot_be_sent_to() -> None:
    exchange, _ = _exchange()
    exchange.lose()
    with pytest.raises(ClientGone):
        await _answer(exchange)
    assert await exchange.receive() == {"type": "http.disconnect"}


async def test_who_broke_off_its_body_can_still_be_answered() -> None:
    exchange, carrier = _exchange(length=5)
    exchange.push(b"ab", complete=False)
    exchange.break_off()
    assert await exchange.receive() == {"type": "http.disconnect"}
    await _answer(exchange)
    assert b"connection: close" in carrier.written


async def test_an_answer_to_an_unread_body_says_that_the_connection_ends() -> None:
    exchange, carrier = _exchange(length=5)
    await _answer(exchange)
    assert b"connection: close" in carrier.written
    assert carrier.asked == ["answered"]


async def test_a_wait_that_was_cancelled_does_not_hinder_the_next() -> None:
    exchange, _ = _exchange(length=5)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(exchange.receive(), 0.001)
    assert not exchange.waiting
    exchange.push(b"abcde", complete=True)
    assert (await exchange.receive())["body"] == b"abcde"


async def test_a_message_that_is_none_is_a_value_error() -> None:
    exchange, _ = _exchange()
    message: dict[str, Any] = {"type": "websocket.send"}
    with pytest.raises(ValueError, match=r"websocket\.send"):
        await exchange.send(message)


async def test_a_whole_answer_is_the_end_once_the_client_has_room_for_it() -> None:
    exchange, carrier = _exchange()
    assert exchange.answer_whole(200, [b"a: b"], b"hi")
    assert (carrier.written.endswith(b"\r\n\r\nhi"), carrier.asked) == (True, ["answered"])
    slow, carrier = _exchange()
    carrier.room = asyncio.get_running_loop().create_future()
    assert slow.answer_whole(200, [], b"hi")
    assert carrier.asked == []
    carrier.room.set_result(None)
    await asyncio.sleep(0)
    assert carrier.asked == ["answered"]


async def test_a_whole_answer_on_an_ending_connection_says_that_it_is_the_last() -> None:
    for ending, closes in ((True, False), (False, True)):
        exchange, carrier = _exchange()
        carrier.ending = ending
        exchange.answer_whole(200, [], b"hi", closes=closes)
        assert b"connection: close" in carrier.written


async def test_who_is_gone_gets_no_whole_answer() -> None:
    exchange, carrier = _exchange()
    exchange.lose()
    assert exchange.answer_whole(200, [], b"hi") is False
    assert carrier.written == b""
