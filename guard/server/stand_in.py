"""uvicorn beside our own listener, for comparison: httptools and uvloop, one process, graceful stop.

What a gateway cannot live with is mended here: chunk trailers never become fields (a key sent as a trailer is no key);
the request target reaches the application exactly as received, in the `guard` extension; only HTTP/1.0 and HTTP/1.1
pass; and a refusal is never taken for the answer to an earlier message. It bounds neither heads nor time.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from guard.server.binding import bound
from guard.server.endpoint import Internet, endpoint
from guard.server.exchange import App

_REFUSAL = (
    b'{"type":"urn:guard:problem:request.malformed","title":"The message is ambiguous or ill-formed",'
    b'"status":400,"code":"request.malformed","sent":"%b"}'
)
_REFUSAL_HEAD = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\nguard-reason: request.malformed\r\n"
    b"guard-sent: %b\r\ncache-control: no-store\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
)


class StrictProtocol(HttpToolsProtocol):
    """uvicorn's protocol, without its surprises."""

    _head_is_complete = False
    _heard_enough = False

    def data_received(self, data: bytes) -> None:
        """Bytes from the client. What follows a message that cannot be parsed is read and thrown away."""
        if not self._heard_enough:
            super().data_received(data)

    def on_message_begin(self) -> None:
        """A new message: its fields are still to come."""
        self._head_is_complete = False
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field, without the white space after it; one after the head is a trailer, which nobody here asked for."""
        if not self._head_is_complete:
            super().on_header(name, value.rstrip(b" \t"))

    def on_headers_complete(self) -> None:
        """The head is complete: hand the target over as it came."""
        self._head_is_complete = True
        version = self.parser.get_http_version()
        if version != "1.1" and (version != "1.0" or b"transfer-encoding" in dict(self.headers)):
            raise ValueError("RFC 9112 knows HTTP/1.1, and HTTP/1.0 without a transfer coding")
        extensions: dict[str, Any] = {"guard": {"target": self.url}}
        self.scope["extensions"] = extensions
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # the parser's words are not for clients
        """What httptools cannot parse is refused in the same form as everything else.

        While an earlier message is being answered, its answer comes first and ends the connection: a refusal written
        now would be taken for it, and say of an order that was sent that it was not.
        """
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            self._refuse(b"no")
        elif not cycle.more_body:
            cycle.keep_alive = False
            self._heard_enough = True  # and go on reading: closing on unread bytes would take the answer back
        elif cycle.response_started or self.pipeline:
            self.transport.close()
        else:
            self._refuse(b"unknown")  # this message's own body is broken, and a part of it may have been streamed on

    def _refuse(self, sent: bytes) -> None:
        body = _REFUSAL % sent
        self.transport.write(_REFUSAL_HEAD % (sent, len(body)) + body)
        self.transport.close()


class Listener:
    """One listening socket that serves one ASGI application in the running event loop, until it is told to stop."""

    def __init__(self, app: App, listen: str, *, grace_s: int = 10) -> None:
        at = endpoint(listen)
        if not isinstance(at, Internet):
            raise TypeError("the stand-in listens on ports only")
        self._socket = bound(at.host, at.port)
        config = uvicorn.Config(
            app,
            http=StrictProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=grace_s,
        )
        self._server = _Server(config)
        self._serving: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that it listens on: the one asked for, or the one that the system chose for port 0."""
        port: int = self._socket.getsockname()[1]
        return port

    async def start(self) -> None:
        """Accept connections from now on."""
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not self._server.started:
            if self._serving.done():
                await self._serving
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Accept no more, let what is in flight finish within the grace period, and close."""
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving


class _Server(uvicorn.Server):
    """uvicorn's server, its signals left to whoever runs the process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are not a listener's business."""
        yield
