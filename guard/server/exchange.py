"""One request and its answer, as the ASGI application sees them: a scope, `receive` and `send` (ASGI 3, HTTP 2.4).

The scope has an extension of ours, `scope["extensions"]["guard"]`: `target` is the request target exactly as received,
`connection` is the Peer, `trailers` a list that is whole once the body is and never a part of `headers`, and
`client_certificate` is there if the client showed one. Fields are in their order, names in lower case, values without
the white space around them.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias
from urllib.parse import unquote

from guard.model.facts import Field
from guard.server.answer import Answer
from guard.server.head import RequestHead
from guard.server.peer import Peer

if TYPE_CHECKING:
    from guard.server.home import Home

App: TypeAlias = Callable[..., Awaitable[None]]
Direct: TypeAlias = Callable[["Exchange"], Awaitable[None] | None]
"""A shorter way to an application of our own, for a request whose body is at hand: it takes the exchange itself.

None says that it has been answered by `answer_whole`, or will be; else what it gives is run as a task.
"""
Message: TypeAlias = MutableMapping[str, Any]

_ASGI = {"version": "3.0", "spec_version": "2.4"}
_GONE = {"type": "http.disconnect"}


class ClientGone(OSError):  # noqa: N818  # an event of the wire, not an error of ours
    """There is nobody left to send to."""


class Carrier(Protocol):
    """The connection, as its exchange needs it."""

    @property
    def home(self) -> "Home":
        """The listener that it belongs to."""

    @property
    def ending(self) -> bool:
        """Whether the connection is to end with this exchange."""

    def wants_body(self, exchange: "Exchange") -> None:
        """The application waits for more of the body."""

    def has_room(self) -> None:
        """What was held of the body is taken."""

    def write(self, parts: tuple[bytes, ...]) -> asyncio.Future[None] | None:
        """Send. What is to be waited for, until the client has taken enough of it."""

    def answered(self, exchange: "Exchange") -> None:
        """The answer is complete."""

    def returned(self, exchange: "Exchange", error: BaseException | None) -> None:
        """The application has done what it does for it."""


class Exchange:
    """See the module. `body_complete` says that the last byte of the body is here."""

    _body_bytes = 0
    _handed_over = _gone = _broken_off = False
    _news: asyncio.Future[None] | None = None

    def __init__(self, head: RequestHead, peer: Peer, carrier: Carrier, loop: asyncio.AbstractEventLoop) -> None:
        self.head = head
        self.peer = peer
        self.answer = Answer(head.verb, head.version, closes=head.closes)
        self.body_complete = head.length == 0
        self.continues = head.expects_continue and not self.body_complete
        self._carrier = carrier
        self._loop = loop
        self._body: list[bytes] = []
        self.trailers: list[Field] = []

    def returned(self, error: BaseException | None) -> None:
        """Its task is over."""
        self._carrier.returned(self, error)

    @property
    def waiting(self) -> bool:
        """Whether the application waits for something from the client."""
        return self._news is not None and not self._news.done()

    @property
    def body(self) -> bytes:
        """What of the body is here and was not taken."""
        return self._body[0] if len(self._body) == 1 else b"".join(self._body)

    def scope(self) -> dict[str, Any]:
        """What ASGI calls the scope."""
        head, target, peer = self.head, self.head.target, self.peer
        path, _, query = target.partition(b"?")
        if path[:1] != b"/" and path != b"*":  # absolute-form: its authority is seen in the extension only
            path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
        text = path.decode("latin-1")
        guard: dict[str, Any] = {"target": target, "connection": peer, "trailers": self.trailers}
        if self.body_complete:
            guard["body"] = self.body
        extensions = {"guard": guard}
        if peer.tls is not None:
            extensions["tls"] = peer.tls
            if peer.certificate is not None:
                guard["client_certificate"] = peer.certificate
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": head.version,
            "method": head.verb,
            "scheme": "http" if peer.tls is None else "https",
            "path": unquote(text) if "%" in text else text,
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": list(head.fields),
            "client": peer.client,
            "server": peer.server,
            "extensions": extensions,
        }

    # What the application calls.

    async def receive(self) -> Message:
        """The next part of the body, or that the client is gone or answered."""
        while not (self._gone or self._broken_off or self.answer.complete):
            if self._body or (self.body_complete and not self._handed_over):
                return self._part()
            if not self.body_complete:
                self._carrier.wants_body(self)
            self._news = self._loop.create_future()
            await self._news
        return dict(_GONE)

    async def send(self, message: Message) -> None:
        """Pass on a part of the answer. Raises ClientGone for a client that has gone, ValueError for what is none."""
        if self._gone:
            raise ClientGone("the client has gone")
        kind, answer = message["type"], self.answer
        if kind == "http.response.start":
            answer.start(message["status"], message.get("headers", ()))
        elif kind == "http.response.body":
            carrier = self._carrier
            if not answer.started and (carrier.ending or not self.body_complete):
                answer.closes = True
            more = message.get("more_body", False)
            room = carrier.write(answer.part(message.get("body", b""), more=more))
            if room is not None:
                await room
                if self._gone:
                    raise ClientGone("the client has gone")
            if not more:
                self._tell()
                carrier.answered(self)
        else:
            raise ValueError(f"no message of an HTTP answer: {kind!r}")

    # What an application calls that takes the exchange itself.

    def answer_whole(self, status: int, lines: Sequence[bytes], body: bytes, *, closes: bool = False) -> bool:
        """The whole answer (`Answer.whole`). False for a client that has gone."""
        if self._gone:
            return False
        answer, carrier = self.answer, self._carrier
        if closes or carrier.ending:
            answer.closes = True
        room = carrier.write(answer.whole(status, lines, body))
        if room is None:
            carrier.answered(self)
        else:
            room.add_done_callback(self._has_room)
        return True

    def later(self, rest: Awaitable[None]) -> None:
        """Go on in a task of its own, where `send` and `receive` serve as ever."""
        self._carrier.home.later(self, rest)

    def concluded(self) -> None:
        """Nothing is left to do for it, and there is no task that would show it."""
        if self._gone:
            self._carrier.home.concluded(self)

    # What the connection calls.

    def push(self, content: bytes, *, complete: bool) -> int:
        """A part of the body is here. How much of it nobody has taken yet."""
        if content:
            self._body.append(content)
            self._body_bytes += len(content)
        self.body_complete = complete
        self._tell()
        return self._body_bytes

    def lose(self) -> None:
        """The client is gone, or can no longer be answered."""
        self._gone = True
        self._body.clear()
        self._tell()

    def break_off(self) -> None:
        """The client ended its side before its body: gone for `receive`, it may still read what `send` brings."""
        self._broken_off = True
        self._tell()

    def _has_room(self, _: asyncio.Future[None]) -> None:
        """The client has taken enough of the answer."""
        if not self._gone:
            self._carrier.answered(self)

    def _part(self) -> Message:
        body = self.body
        self._body.clear()
        self._body_bytes = 0
        if self.body_complete:
            self._handed_over = True
        else:
            self._carrier.has_room()
        return {"type": "http.request", "body": body, "more_body": not self.body_complete}

    def _tell(self) -> None:
        news = self._news
        if news is not None and not news.done():
            news.set_result(None)
