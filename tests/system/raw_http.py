"""HTTP/1.1 by hand: bytes out, one response in. Nothing is corrected, so that what is malformed really arrives."""

import json
import socket
from collections.abc import Sequence
from contextlib import closing
from typing import Any, Self

import msgspec

TIMEOUT_S = 10.0


class Response(msgspec.Struct, frozen=True):
    """One response. `closed` says that the gateway closed the connection after it."""

    status: int
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes
    closed: bool = False

    def value(self, name: bytes) -> bytes | None:
        """The one value of a field; a second one is a fault of the gateway."""
        found = [value for key, value in self.fields if key == name]
        assert len(found) <= 1, f"{name!r} twice"
        return found[0] if found else None

    @property
    def names(self) -> tuple[bytes, ...]:
        return tuple(sorted(name for name, _ in self.fields))

    @property
    def problem(self) -> dict[str, Any]:
        assert self.value(b"content-type") == b"application/problem+json", self.body
        decoded: dict[str, Any] = json.loads(self.body)
        return decoded

    @property
    def code(self) -> str | None:
        """What it was refused for; None if it was not."""
        return None if self.value(b"guard-reason") is None else str(self.problem["code"])


class Connection:
    """A connection to the gateway, from any address of 127.0.0.0/8."""

    def __init__(self, port: int, source: str = "127.0.0.1", timeout_s: float = TIMEOUT_S) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s, source_address=(source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""

    def send(self, content: bytes) -> None:
        self.socket.sendall(content)

    def ask(self, content: bytes) -> Response:
        """Send a request, read its response."""
        self.send(content)
        return self.response(head=content.startswith(b"HEAD "))

    def response(self, *, head: bool = False) -> Response:
        """The next final response. Raises ConnectionError if the gateway closes instead."""
        status, fields = self._head()
        while 100 <= status < 200:
            status, fields = self._head()
        body = b"" if head or status in (204, 304) else self._body(dict(fields))
        return Response(status, fields, body, closed=dict(fields).get(b"connection") == b"close")

    def ended(self) -> bool:
        """Whether the gateway closes the connection without another byte, within the timeout."""
        try:
            return not self._buffer and self.socket.recv(1) == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    def rest(self) -> bytes:
        """All that comes until the gateway closes, or falls silent for the timeout."""
        try:
            while self._more():
                pass
        except (TimeoutError, ConnectionError):
            pass
        taken, self._buffer = self._buffer, b""
        return taken

    def peek(self) -> bytes:
        """All that has come so far and was not read as a response."""
        self.quiet(0.0)
        return self._buffer

    def quiet(self, for_s: float) -> bool:
        """Whether nothing comes for so long, or ever again."""
        before = self.socket.gettimeout()
        self.socket.settimeout(for_s)
        try:
            return not self._more()
        except (TimeoutError, BlockingIOError):
            return True
        finally:
            self.socket.settimeout(before)

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _head(self) -> tuple[int, tuple[tuple[bytes, bytes], ...]]:
        while b"\r\n\r\n" not in self._buffer:
            self._need_more()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        status_line, *lines = head.split(b"\r\n")
        assert status_line.startswith(b"HTTP/1.1 "), status_line
        pairs = [line.split(b": ", 1) for line in lines]
        return int(status_line.split(b" ")[1]), tuple((name.lower(), value) for name, value in pairs)

    def _body(self, fields: dict[bytes, bytes]) -> bytes:
        if fields.get(b"transfer-encoding") == b"chunked":
            return b"".join(iter(self._chunk, b""))
        if b"content-length" in fields:
            return self._exactly(int(fields[b"content-length"]))
        while self._more():
            pass
        taken, self._buffer = self._buffer, b""
        return taken

    def _chunk(self) -> bytes:
        while b"\r\n" not in self._buffer:
            self._need_more()
        size, _, self._buffer = self._buffer.partition(b"\r\n")
        content = self._exactly(int(size, 16))
        assert self._exactly(2) == b"\r\n"
        return content

    def _exactly(self, count: int) -> bytes:
        parts, held = [self._buffer], len(self._buffer)
        while held < count:
            part = self.socket.recv(1 << 18)
            if not part:
                raise ConnectionError("the gateway closed in the middle of a body")
            parts.append(part)
            held += len(part)
        whole = b"".join(parts)
        self._buffer = whole[count:]
        return whole[:count]

    def _need_more(self) -> None:
        if not self._more():
            raise ConnectionError(f"the gateway closed after {self._buffer[:200]!r}")

    def _more(self) -> bool:
        content = self.socket.recv(1 << 16)
        self._buffer += content
        return content != b""


def message(method: str, target: bytes | str, fields: Sequence[tuple[bytes, bytes]] = (), body: bytes = b"") -> bytes:
    """A request, its fields exactly as given; Content-Length is added if there is a body and no framing is given."""
    target = target.encode("latin-1") if isinstance(target, str) else target
    lines = [b"%b %b HTTP/1.1" % (method.encode("latin-1"), target), *(name + b": " + value for name, value in fields)]
    names = {name.lower() for name, _ in fields}
    if body and not names & {b"content-length", b"transfer-encoding"}:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join((*lines, b"", b"")) + body


def chunked(*parts: bytes, trailers: bytes = b"") -> bytes:
    """A body in chunks."""
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n" + trailers + b"\r\n"


def ask(port: int, content: bytes, *, source: str = "127.0.0.1", timeout_s: float = TIMEOUT_S) -> Response:
    """One request on a connection of its own. `closed` is what then really happened to the connection."""
    with closing(Connection(port, source, timeout_s)) as connection:
        response = connection.ask(content)
        if response.closed:
            assert connection.ended(), "`Connection: close`, and yet it stays open or says more"
        return response
