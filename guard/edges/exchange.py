"""One HTTP exchange after its judgement: refused, or passed on to where it is answered; then concluded.

What answers is a backend (`forwarded.py`) or the application that guard is wrapped around (`wrapped.py`).
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Hashable, Sequence
from typing import Any, Protocol, TypeAlias

import msgspec

from guard.core.pricing import settled_cost
from guard.core.stages import Allow
from guard.core.telling import numbers_told
from guard.edges.body import BodyReader
from guard.edges.identity import identity
from guard.edges.render import Responder, Scope
from guard.model.decision import Deny
from guard.model.exchange import Sent
from guard.model.facts import Facts, Field
from guard.model.policy import Service
from guard.service.aftermath import Aftermath, Outcome
from guard.service.at_once import at_once
from guard.service.judge import Judgement
from guard.signing.assertion import AssertionKey
from guard.wire.allowed_fields import allowed_fields
from guard.wire.forwarding import answer_fields, request_fields

Still: TypeAlias = Callable[[Allow], Deny | None]

BODILESS = (204, 304)


class Peer(Protocol):
    """The client's connection: whom it serves, and what is to be called if it ends before the answer."""

    subject: Hashable
    left: Callable[[], object] | None


class Exchange:
    """One exchange. `started_ns` is when its message arrived, on the performance counter.

    `peer` is our own server's, None on another; `scope` is ASGI's, empty on the direct road.
    """

    __slots__ = (
        *("_aftermath", "_asked_ns", "_cost", "_judgement", "_started_ns", "_told", "_upstream_ns"),
        *("facts", "peer", "reader", "responder", "scope"),
    )

    def __init__(
        self,
        scope: Scope,
        peer: Peer | None,
        facts: Facts,
        judgement: Judgement,
        *,
        reader: BodyReader,
        responder: Responder,
        started_ns: int,
        aftermath: Aftermath,
    ) -> None:
        self.scope = scope
        self.peer = peer
        self.facts = facts
        self.reader = reader
        self.responder = responder
        self._asked_ns = 0
        self._cost: int | None = None
        self._told: dict[bytes, int] | None = None
        self._upstream_ns: int | None = None
        self._judgement = judgement
        self._started_ns = started_ns
        self._aftermath = aftermath

    async def run(self, onward: "Onward", still: Still) -> None:
        """Answer the client, whatever happens, and conclude."""
        judged = self._judgement.outcome
        if isinstance(judged, Deny):
            await self.conclude(await self.refuse(judged, Sent.NO))
        else:
            self.name(judged)
            await onward.carry(self, judged, still)

    def name(self, allow: Allow) -> None:
        """Tell our own server whom it cuts off with its key."""
        if self.peer is not None and allow.record is not None:
            self.peer.subject = allow.record.id

    def conclude(self, outcome: Outcome) -> Coroutine[Any, Any, None]:
        """Say what became of it, once."""
        return self._aftermath.conclude(self.facts, self._judgement, outcome)

    def conclude_at_once(self, sent: Sent) -> None:
        """The same, where the store has no need to wait."""
        at_once(self.conclude(self.outcome(sent)))

    async def deny(self, deny: Deny) -> Outcome:
        """Refuse what was let through before, not one byte of it having been passed on."""
        self._judgement = msgspec.structs.replace(self._judgement, outcome=deny)
        return await self.refuse(deny, Sent.NO)

    async def fail(self, deny: Deny, sent: Sent, source: str) -> Outcome:
        """Refuse what nobody answered."""
        return msgspec.structs.replace(await self.refuse(deny, sent), code=deny.code, error=source)

    async def refuse(self, deny: Deny, sent: Sent) -> Outcome:
        """A whole refusal. It ends the connection where a body was not read, or may end elsewhere for others."""
        await self.responder.refuse(
            deny,
            self.facts.request_id,
            sent,
            service=self.realm,
            head=self.facts.verb == "HEAD",
            close=self.closes,
        )
        return self.outcome(sent)

    @property
    def realm(self) -> str:
        """Who refuses: the service, if the message came so far."""
        return self._judgement.realm

    @property
    def closes(self) -> bool:
        """Whether the connection ends with a refusal."""
        return self._ends_unsure() if self.facts.defects else self.facts.body is None and not self.reader.finished

    def _ends_unsure(self) -> bool:
        """Whether an ambiguous message says anything of where its body ends."""
        return b"content-length" in self.facts.names.at or b"transfer-encoding" in self.facts.names.at

    def asked(self) -> None:
        """The time begins that is not ours but that of whoever answers."""
        self._asked_ns = time.perf_counter_ns()

    def heard(self) -> None:
        """It ends here, or later."""
        self._upstream_ns = time.perf_counter_ns() - self._asked_ns

    def start(self, allow: Allow, status: int, fields: Sequence[Field]) -> Awaitable[None]:
        """The head of the answer, as a client may see it."""
        self.note(allow, status, fields)
        told = answer_fields(fields, ours=self.ours(allow))
        if status in BODILESS:  # a length there is another answer's (RFC 9110 §8.6), and servers wait for it
            told = [field for field in told if field[0] != b"content-length"]
        return self.responder.start(status, told)

    def note(self, allow: Allow, status: int, fields: Sequence[Field]) -> None:
        """Note what an answer tells: what its request has cost, and the numbers that signals of abuse count by."""
        settlement, abuse = allow.route.settlement, allow.verified.identified.service.abuse
        if settlement is not None:
            self._cost = settled_cost(settlement, status, fields)
        if abuse is not None and abuse.fields:
            self._told = numbers_told(abuse.fields, fields)

    def ours(self, allow: Allow) -> tuple[Field, ...]:
        """What guard itself says in an answer."""
        return allowed_fields(allow.readings, self.facts.request_id)

    def fields(self, allow: Allow, key: AssertionKey | None) -> list[Field]:
        """The request's fields as its backend may see them."""
        identified = allow.verified.identified
        service = identified.service
        return request_fields(
            self.facts,
            identity=identity(allow, key),
            secrets=service.secrets,
            drop=service.drop_fields,
            address=identified.address,
        )

    def body(self, allow: Allow) -> bytes | AsyncIterator[bytes]:
        """The body that was verified; that of an open route as it comes."""
        if allow.verified.content is not None:
            return allow.verified.content
        return self.reader.stream(allow.route.max_body_bytes)

    def outcome(self, sent: Sent, error: str | None = None) -> Outcome:
        """What has become of it so far."""
        total_ns = time.perf_counter_ns() - self._started_ns
        return Outcome(
            status=self.responder.status,
            sent=sent,
            cost=self._cost,
            told=self._told,
            guard_us=(total_ns - (self._upstream_ns or 0)) // 1000,
            upstream_us=None if self._upstream_ns is None else self._upstream_ns // 1000,
            bytes_in=self.reader.bytes_read if self.facts.body is None else len(self.facts.body),
            bytes_out=self.responder.bytes_out,
            error=error,
        )


class Onward(Protocol):
    """Where goes what was let through."""

    def strain(self, service: Service) -> int:
        """Messages of this service that are less urgent than this must wait, for its sake. To be asked first of all."""
        ...

    def obstacle(self, service: Service) -> str | None:
        """Why nothing of this service can be answered now: the code of a reason. To be asked before it is charged."""
        ...

    async def carry(self, exchange: Exchange, allow: Allow, still: Still) -> None:
        """Have it answered, and conclude it. `still` is asked before the first byte of it goes anywhere."""
        ...
