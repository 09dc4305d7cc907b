"""What uvicorn hides from guard or does not bound, as data: due with the Listener issue, which brings our own server.

`tests/system/test_due_with_listener.py` shows for each that it is harmless today: at most one request comes of it, and
that in a clean form. When one of them is refused at last, its test turns red, and it moves to `test_messages.py`.

Of what the Slice issue expected to be hidden, our protocol class (`guard/server/stand_in.py`) hands over enough; it is
tested where it belongs: two Hosts (`test_h4_…`), fragments (`test_a05_…`), the absolute-form (`test_a09_…`), a bare `?`
(`test_forwarding.py`), chunk trailers (`test_fields.py`), versions other than HTTP/1.0 and 1.1 (`test_p1_…`).
"""

import msgspec

_HEAD = b"Host: gateway.test\r\n"
_CODED = b"POST /open/upload HTTP/1.1\r\n" + _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


class Hidden(msgspec.Struct, frozen=True):
    """Bytes that should be refused, why nobody above the parser can, and the row they belong to."""

    name: str
    row: str
    content: bytes
    reason: str
    target: bytes = b"/open/x"
    body: bytes = b""


FORWARDED_TODAY = (
    Hidden(
        "two spaces before the target",
        "A39",
        b"GET  /open/x HTTP/1.1\r\n" + _HEAD + b"\r\n",
        "llhttp skips spaces in the request line; method and target arrive without them",
    ),
    Hidden(
        "two spaces behind the target",
        "A39",
        b"GET /open/x  HTTP/1.1\r\n" + _HEAD + b"\r\n",
        "as above",
    ),
    Hidden(
        "a bare LF before the request line",
        "P1",
        b"\nGET /open/x HTTP/1.1\r\n" + _HEAD + b"\r\n",
        "llhttp skips any number of CR and LF before a message (RFC 9112 section 2.2 allows one CRLF)",
    ),
    Hidden(
        "another protocol's name",
        "P1",
        b"GET /open/x RTSP/1.0\r\n" + _HEAD + b"\r\n",
        "llhttp also reads RTSP and ICE, and tells only the version's number",
    ),
    Hidden(
        "a chunk extension of 200 KB",
        "B1",
        _CODED + b"5;a=" + b"a" * 200_000 + b"\r\nhello\r\n0\r\n\r\n",
        "httptools has no callback for extensions, and uvicorn no bound on them",
        b"/open/upload",
        b"hello",
    ),
    Hidden(
        "a trailer of 200 KB",
        "B1",
        _CODED + b"5\r\nhello\r\n0\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        "uvicorn has no bound on the trailer section; what comes there is dropped as it comes",
        b"/open/upload",
        b"hello",
    ),
    Hidden(
        "a field of 200 KB",
        "A41",
        b"GET /open/x HTTP/1.1\r\n" + _HEAD + b"X: " + b"a" * 200_000 + b"\r\n\r\n",
        "uvicorn on httptools has no bound on the bytes of a head",
    ),
    Hidden(
        "2000 fields",
        "A41",
        b"GET /open/x HTTP/1.1\r\n" + _HEAD + b"X: a\r\n" * 2000 + b"\r\n",
        "nor on the number of fields",
    ),
)

WITHOUT_A_DEADLINE = (
    Hidden("nothing at all", "D1", b"", "uvicorn starts no timer before the first request of a connection"),
    Hidden("half a head", "D1", b"GET /open/x HTTP/1.1\r\nHost: gat", "nor one for the rest of a head"),
)

NOT_SAID = (
    Hidden(
        "what the parser refuses has no request id and no line in the decision log",
        "P1",
        b"GET /open/x HTTP/1.1\r\nbroken\r\n\r\n",
        "uvicorn answers it before an application is asked",
    ),
)
