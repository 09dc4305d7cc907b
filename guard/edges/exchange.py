"""One HTTP exchange after its judgement: refused, or forwarded and its answer passed on as it comes; then concluded.

An answer that breaks off upstream breaks off here too: a part is never presented as the whole.
"""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TypeAlias

import msgspec

from guard.core.stages import Allow
from guard.edges.body import BodyReader, ClientBroke
from guard.edges.render import GATEWAY, Responder
from guard.model.decision import Deny
from guard.model.exchange import Sent
from guard.model.facts import Facts, Field
from guard.service.aftermath import Aftermath, Outcome
from guard.service.judge import Judgement
from guard.upstream.answer import Answer, UpstreamFailure
from guard.upstream.forward import forward
from guard.upstream.pool import Pool
from guard.wire.forwarding import answer_fields, request_fields
from guard.wire.rate_limit_fields import rate_limit

Still: TypeAlias = Callable[[Allow], Deny | None]

_TRY_AGAIN_MS = 1000
_BODILESS = (204, 304)


class Exchange:
    """One exchange. `started_ns` is when its message arrived, on the performance counter."""

    def __init__(
        self, facts: Facts, judgement: Judgement, reader: BodyReader, responder: Responder, started_ns: int
    ) -> None:
        self._facts = facts
        self._judgement = judgement
        self._reader = reader
        self._responder = responder
        self._started_ns = started_ns
        self._upstream_ns: int | None = None

    async def run(self, pools: Mapping[str, Pool], still: Still, aftermath: Aftermath) -> None:
        """Answer the client, whatever happens, and conclude."""
        judged = self._judgement.outcome
        if isinstance(judged, Deny):
            outcome = await self._refuse(judged, Sent.NO)
        else:
            outcome = await self._forwarded(judged, pools[judged.service.name], still)
        await aftermath.conclude(self._facts, self._judgement, outcome)

    async def _forwarded(self, allow: Allow, pool: Pool, still: Still) -> Outcome:
        asked_ns = time.perf_counter_ns()
        try:
            answer = await forward(pool, allow, self._fields(allow), self._body(allow), still=lambda: still(allow))
        except UpstreamFailure as failure:
            self._upstream_ns = time.perf_counter_ns() - asked_ns
            return await self._failed(self._whose(failure), failure.sent, failure.source)
        except ClientBroke as broke:
            return await self._failed(broke.code, Sent.UNKNOWN, "the client broke off its body")
        if isinstance(answer, Deny):
            self._judgement = msgspec.structs.replace(self._judgement, outcome=answer)
            return await self._refuse(answer, Sent.NO)
        error = await self._relay(allow, answer)
        self._upstream_ns = time.perf_counter_ns() - asked_ns
        return self._outcome(Sent.YES, error)

    async def _failed(self, code: str, sent: Sent, source: str) -> Outcome:
        """Trying again is advised only where nothing was sent: elsewhere it could place an order twice."""
        deny = Deny(code=code, wait_ms=_TRY_AGAIN_MS if sent is Sent.NO else None)
        return msgspec.structs.replace(await self._refuse(deny, sent), code=code, error=source)

    def _whose(self, failure: UpstreamFailure) -> str:
        """A backend cannot be late while its client is still sending."""
        waiting = self._facts.body is None and not self._reader.finished
        return "request.timeout" if waiting and failure.code == "upstream.timeout" else failure.code

    async def _relay(self, allow: Allow, answer: Answer) -> str | None:
        """Pass the answer on. What broke it off, if it broke off."""
        ours = (
            *rate_limit(allow.readings),
            (b"guard-request-id", self._facts.request_id.encode()),
            (b"guard-sent", b"yes"),
        )
        fields = answer_fields(answer.fields, ours=ours)
        if answer.status in _BODILESS:  # a length there is another answer's (RFC 9110 §8.6), and servers wait for it
            fields = [field for field in fields if field[0] != b"content-length"]
        await self._responder.start(answer.status, fields)
        try:
            if isinstance(answer.body, bytes):
                await self._responder.content(answer.body, more=False)
                return None
            async for chunk in answer.body:
                await self._responder.content(chunk, more=True)
            await self._responder.content(b"", more=False)
        except UpstreamFailure as failure:
            return failure.source
        finally:
            await answer.aclose()
        return None

    async def _refuse(self, deny: Deny, sent: Sent) -> Outcome:
        routed = self._judgement.routed
        await self._responder.refuse(
            deny,
            self._facts.request_id,
            sent,
            service=GATEWAY if routed is None else routed.service.name,
            head=self._facts.verb == "HEAD",
            close=self._facts.body is None and not self._reader.finished,
        )
        return self._outcome(sent)

    def _fields(self, allow: Allow) -> list[Field]:
        return request_fields(
            self._facts,
            identity=_identity(allow),
            secrets=allow.service.secrets,
            drop=allow.service.drop_fields,
            address=allow.verified.identified.address,
        )

    def _body(self, allow: Allow) -> bytes | AsyncIterator[bytes]:
        """The body that was verified; that of an open route as it comes."""
        if allow.verified.content is not None:
            return allow.verified.content
        return self._reader.stream(allow.route.max_body_bytes)

    def _outcome(self, sent: Sent, error: str | None = None) -> Outcome:
        total_ns = time.perf_counter_ns() - self._started_ns
        return Outcome(
            status=self._responder.status,
            sent=sent,
            guard_us=(total_ns - (self._upstream_ns or 0)) // 1000,
            upstream_us=None if self._upstream_ns is None else self._upstream_ns // 1000,
            bytes_in=self._reader.bytes_read,
            bytes_out=self._responder.bytes_out,
            error=error,
        )


def _identity(allow: Allow) -> tuple[Field, ...]:
    """Who signed it, for the backend. Plain fields: a backend that others can reach must not believe them."""
    request_id = (b"guard-request-id", allow.facts.request_id.encode())
    record = allow.record
    if record is None:
        return (request_id,)
    return (
        (b"guard-account", record.account.encode()),
        (b"guard-key-id", record.id.encode()),
        (b"guard-scopes", " ".join(sorted(record.scopes)).encode()),
        request_id,
    )
