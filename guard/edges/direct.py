"""The direct road: a request of our own server whose body is at hand, from its head to the bytes of its answer.

It needs no ASGI message, no task and no future, as long as there is nothing to wait for but the backend. The line is
the same (`service/judge.py`), and so is what is forwarded; whatever else must wait goes on in a task, as on any server.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Protocol, TypeAlias

from guard.core.stages import Allow, Signed
from guard.edges.body import BodyReader
from guard.edges.exchange import BODILESS, Exchange, Peer
from guard.edges.forwarded import Backends
from guard.edges.http import HttpEdge
from guard.edges.render import Responder, Scope
from guard.model.decision import Deny
from guard.model.exchange import Sent
from guard.model.facts import Body, Facts, Field, FieldNames
from guard.model.names import RequestId
from guard.service.at_once import at_once
from guard.service.judge import Judgement
from guard.upstream.answer import Answer, UpstreamFailure
from guard.upstream.forward import Sending
from guard.wire.forwarding import answer_lines
from guard.wire.http_message import facts_from_http
from guard.wire.problem import problem

Guarded: TypeAlias = Callable[[Awaitable[None]], Awaitable[None]]
"""Puts the one outermost except around what goes on later."""

_NO_SCOPE: Scope = {}


class Head(Protocol):
    """The head of a request, as our own server read it. `plain`: see `facts_from_http`."""

    @property
    def verb(self) -> str:
        """The method."""

    @property
    def target(self) -> bytes:
        """The request target, as received."""

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields, names in lower case."""

    @property
    def names(self) -> FieldNames:
        """Their names."""

    @property
    def plain(self) -> bool:
        """Whether values are visible ASCII without outer blanks."""


class Client(Peer, Protocol):
    """Who is at the other end."""

    client: tuple[str, int] | None
    tls: dict[str, Any] | None
    certificate: bytes | None


class Asked(Protocol):
    """A request of our own server, whose body is at hand (`guard/server/exchange.py`)."""

    @property
    def head(self) -> Head:
        """What was asked."""

    @property
    def peer(self) -> Client:
        """By whom."""

    @property
    def body(self) -> bytes:
        """All of the body."""

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """ASGI's, for what goes on in a task."""

    def answer_whole(self, status: int, lines: Sequence[bytes], body: bytes, *, closes: bool = False) -> bool:
        """The whole answer. `lines` are its fields but for those of framing. False for a client that has gone."""

    def later(self, rest: Awaitable[None]) -> None:
        """Go on in a task."""

    def concluded(self) -> None:
        """Nothing is left to do for it."""


class DirectRoad:
    """See the module. Only for a store that answers without waiting."""

    def __init__(self, edge: HttpEdge, backends: Backends) -> None:
        self.edge = edge
        self.backends = backends
        self._nothing_to_read = BodyReader(_nothing, edge.budget, edge.body_ms_max)

    def __call__(
        self, asked: Asked, responder: Responder, request_id: RequestId, guarded: Guarded
    ) -> Awaitable[None] | None:
        """Judge one request; refuse it, or send it on its way. None if that is done, else what is to be awaited."""
        started_ns = time.perf_counter_ns()
        edge, head, peer = self.edge, asked.head, asked.peer
        facts = facts_from_http(
            method=head.verb,
            target=head.target,
            fields=head.fields,
            names=head.names,
            plain=head.plain,
            body=asked.body,
            client_certificate=peer.certificate,
            peer=peer.client[0] if peer.client else "",
            secure=peer.tls is not None,
            received_at=edge.now(),
            request_id=request_id,
        )
        if edge.judge.may_wait:
            return self._patiently(asked, facts, responder, started_ns)
        judgement = at_once(edge.judge.judge(facts, _unread))
        exchange = self._exchange(peer, facts, judgement, responder, started_ns)
        outcome = judgement.outcome
        if isinstance(outcome, Deny):
            if judgement.shed:
                return edge.shed(exchange)
            _refuse(asked, exchange, outcome)
            return None
        exchange.name(outcome)
        passage = Passage(self, asked, exchange, outcome, guarded)
        return None if passage.begin() else edge.run(exchange)

    async def _patiently(self, asked: Asked, facts: Facts, responder: Responder, started_ns: int) -> None:
        """The same in a task: judging may take its time."""
        judgement = await self.edge.judge.judge(facts, _unread)
        exchange = self._exchange(asked.peer, facts, judgement, responder, started_ns)
        await (self.edge.shed(exchange) if judgement.shed else self.edge.run(exchange))

    def _exchange(
        self, peer: Peer, facts: Facts, judgement: Judgement, responder: Responder, started_ns: int
    ) -> Exchange:
        return Exchange(
            *(_NO_SCOPE, peer, facts, judgement),
            reader=self._nothing_to_read,
            responder=responder,
            started_ns=started_ns,
            aftermath=self.edge.aftermath,
        )


class Passage:
    """A request on its way to its backend, and the answer on its way back. It stands where else a future would."""

    __slots__ = ("_allow", "_asked", "_exchange", "_guarded", "_over", "_road", "_sending")

    def __init__(self, road: DirectRoad, asked: Asked, exchange: Exchange, allow: Allow, guarded: Guarded) -> None:
        self._road = road
        self._asked = asked
        self._exchange = exchange
        self._allow = allow
        self._guarded = guarded
        self._over = False
        self._sending: Sending | None = None

    def begin(self) -> bool:
        """Send the request, if that needs no waiting."""
        allow = self._allow
        body = allow.verified.content
        if body is None:
            return False
        self._sending = self._road.backends.carry_at_once(
            self._exchange, allow, body, self._road.edge.judge.still, self
        )
        if self._sending is None:
            return False
        self._road.edge.pressure.in_flight += 1
        if allow.route.reads:
            self._asked.peer.left = self._leave
        return True

    def done(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self._over

    def set_result(self, answer: Answer, /) -> None:
        """The answer, or the first of it."""
        self._end()
        exchange = self._exchange
        if not isinstance(answer.body, bytes) or answer.status in BODILESS:
            future = _future()
            future.set_result(answer)
            self._go_on(future)
            return
        try:
            exchange.note(self._allow, answer.status, answer.fields)
            lines = [*answer_lines(answer.fields), *map(b": ".join, exchange.ours(self._allow))]
            _answer(self._asked, exchange, answer.status, lines, answer.body)
            exchange.heard()
            exchange.conclude_at_once(Sent.YES)
        except Exception as error:  # noqa: BLE001  # raised again where the one outermost except is
            self._asked.later(self._guarded(raised(error)))
        self._asked.concluded()

    def set_exception(self, failure: UpstreamFailure, /) -> None:
        """Why there is no answer; but some requests may be sent again."""
        self._end()
        future = _future()
        future.set_exception(failure)
        self._go_on(future)

    def _leave(self) -> None:
        """The client has left before its answer came."""
        self._end()
        if self._sending is not None:
            self._sending.connection.withdraw(self)
        self._asked.later(self._guarded(self._road.backends.give_up(self._exchange)))

    def _go_on(self, asked: "asyncio.Future[Answer]") -> None:
        if self._sending is not None:
            rest = self._road.backends.carry_on(self._exchange, self._allow, self._sending, asked)
            self._asked.later(self._guarded(rest))

    def _end(self) -> None:
        self._over = True
        self._road.edge.pressure.in_flight -= 1
        self._asked.peer.left = None


async def raised(error: Exception) -> None:
    """Raise it where it is caught."""
    raise error


def _refuse(asked: Asked, exchange: Exchange, deny: Deny) -> None:
    refusal = problem(deny, exchange.facts.request_id, Sent.NO, service=exchange.realm)
    lines = [b": ".join(field) for field in refusal.fields if field[0] != b"content-length"]
    _answer(asked, exchange, refusal.status, lines, refusal.body, closes=exchange.closes)
    exchange.conclude_at_once(Sent.NO)
    asked.concluded()


def _answer(
    asked: Asked, exchange: Exchange, status: int, lines: Sequence[bytes], body: bytes, *, closes: bool = False
) -> None:
    responder = exchange.responder
    responder.status = status
    responder.gone = not asked.answer_whole(status, lines, body, closes=closes)
    responder.started = True
    responder.bytes_out = len(body)


def _future() -> "asyncio.Future[Answer]":
    return asyncio.get_running_loop().create_future()


async def _nothing() -> MutableMapping[str, Any]:
    """For a body that is at hand: nothing is left to receive."""
    return {"type": "http.disconnect"}


async def _unread(_: Signed) -> Body:
    """For a body that is at hand: nothing is left to read."""
    raise RuntimeError("the body was said to be at hand")
