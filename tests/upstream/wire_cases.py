"""Answers as bytes, and what they mean; and bytes that are no answer."""

from typing import NamedTuple

from guard.model.facts import Field


class Case(NamedTuple):
    wire: bytes
    status: int
    fields: list[Field]
    body: bytes = b""
    verb: str = "GET"
    reason: bytes = b"OK"
    trailers: tuple[Field, ...] = ()
    reusable: bool = True


CHUNKED: list[Field] = [(b"transfer-encoding", b"chunked")]
CASES = {
    "fixed length": Case(
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: one \t\r\n\r\nhello",
        200,
        [(b"content-length", b"5"), (b"x-a", b"one")],
        b"hello",
    ),
    "empty": Case(
        b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", 404, [(b"content-length", b"0")], reason=b"Not Found"
    ),
    "no reason": Case(b"HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n", 200, [(b"content-length", b"0")], reason=b""),
    "chunked": Case(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n",
        200,
        CHUNKED,
        b"abc0123456789",
    ),
    "chunked with trailers": Case(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nDigest: x\r\nB: y\r\n\r\n",
        200,
        CHUNKED,
        b"a",
        trailers=((b"digest", b"x"), (b"b", b"y")),
    ),
    "early hints first": Case(
        b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
        200,
        [(b"content-length", b"2")],
        b"hi",
    ),
    "to HEAD": Case(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", 200, [(b"content-length", b"5")], verb="HEAD"),
    "to HEAD, chunked": Case(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", 200, CHUNKED, verb="HEAD"),
    "204": Case(b"HTTP/1.1 204 None\r\n\r\n", 204, [], reason=b"None"),
    "204 that announces a body": Case(
        b"HTTP/1.1 204 None\r\ncontent-length: 5\r\n\r\n",
        204,
        [(b"content-length", b"5")],
        reason=b"None",
        reusable=False,
    ),
    "204 that announces chunks": Case(
        b"HTTP/1.1 204 None\r\ntransfer-encoding: chunked\r\n\r\n", 204, CHUNKED, reason=b"None", reusable=False
    ),
    "304": Case(b"HTTP/1.1 304 Same\r\ncontent-length: 5\r\n\r\n", 304, [(b"content-length", b"5")], reason=b"Same"),
    "close asked for": Case(
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx",
        200,
        [(b"connection", b"close"), (b"content-length", b"1")],
        b"x",
        reusable=False,
    ),
    "HTTP/1.0": Case(
        b"HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\nx", 200, [(b"content-length", b"1")], b"x", reusable=False
    ),
    "HTTP/1.0 kept alive": Case(
        b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 1\r\n\r\nx",
        200,
        [(b"connection", b"keep-alive"), (b"content-length", b"1")],
        b"x",
    ),
    "another answer behind it": Case(
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\ny",
        200,
        [(b"content-length", b"1")],
        b"x",
        reusable=False,
    ),
    "chunks and another answer behind them": Case(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        200,
        CHUNKED,
        b"x",
        reusable=False,
    ),
    "a body after HEAD": Case(
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", 200, [(b"content-length", b"2")], verb="HEAD", reusable=False
    ),
    "bytes after close": Case(
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1\r\n\r\nxyz",
        200,
        [(b"connection", b"close"), (b"content-length", b"1")],
        b"x",
        reusable=False,
    ),
}
CLOSE_DELIMITED = b"HTTP/1.1 200 OK\r\nx-a: b\r\n\r\nas long as it takes"

BROKEN = {
    "no status line": b"SSH-2.0-OpenSSH\r\n",
    "status of two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "status of letters": b"HTTP/1.1 2OO OK\r\n\r\n",
    "status 600": b"HTTP/1.1 600 OK\r\ncontent-length: 0\r\n\r\n",
    "status 099": b"HTTP/1.1 099 OK\r\ncontent-length: 0\r\n\r\n",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n",
    "HTTP/2.0 kept alive": b"HTTP/2.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n",
    "HTTP/0.9": b"HTTP/0.9 200 OK\r\ncontent-length: 0\r\n\r\n",
    "length and chunked": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n",
    "chunked and length": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nhi",
    "the same length twice": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nhi",
    "list of lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nhi",
    "signed length": b"HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nhi",
    "length of 21 digits": b"HTTP/1.1 200 OK\r\ncontent-length: 100000000000000000000\r\n\r\n",
    "gzip coding": b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nxx",
    "gzip, chunked": b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "xchunked": b"HTTP/1.1 200 OK\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked twice": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "space before colon": b"HTTP/1.1 200 OK\r\nx-a : b\r\ncontent-length: 0\r\n\r\n",
    "folded field": b"HTTP/1.1 200 OK\r\nx-a: b\r\n c\r\ncontent-length: 0\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\ncontent-length: 0\n\n",
    "control byte": b"HTTP/1.1 200 OK\r\nx-a: \x00\r\ncontent-length: 0\r\n\r\n",
    "bad chunk size": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-1\r\n",
    "bad chunk end": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc",
    "101": b"HTTP/1.1 101 Switching\r\n\r\n",
    "101 with upgrade": b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nxx",
    "length as a trailer": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\ncontent-length: 9\r\n\r\n",
    "201 fields": b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 201 + b"\r\n",
    "201 trailers": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 201 + b"\r\n",
    "large head": b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\na: " + b"b" * 65536 + b"\r\n\r\nx",
    "endless field": b"HTTP/1.1 200 OK\r\na: " + b"b" * 65536,
    "endless chunk extension": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;" + b"b" * 65536,
    "endless trailer": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\na: " + b"b" * 65536,
    "flood of 100s": b"HTTP/1.1 100 Continue\r\n\r\n" * 2700,
}
