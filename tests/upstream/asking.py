"""A pool in front of a scripted backend, and short ways to ask it."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

from guard.model.decision import Deny
from guard.upstream.answer import Answer, UpstreamFailure
from guard.upstream.forward import forward
from guard.upstream.pool import Pool
from tests.upstream.build_allow import allow, monotonic_ms, upstream
from tests.upstream.scripted_backend import Backend, Script, scripted

FIELDS = [(b"host", b"gateway.test"), (b"accept", b"*/*")]


class Asker:
    """Asks one pool. Counts how often the line was asked whether the request may still go."""

    def __init__(self, pool: Pool, backend: Backend) -> None:
        self.pool = pool
        self.backend = backend
        self.asked_still = 0

    async def ask(
        self,
        verb: str = "GET",
        path: bytes = b"/v1/time",
        body: bytes | AsyncIterator[bytes] = b"",
        still: Callable[[], Deny | None] = lambda: None,
        **changes: Any,
    ) -> Answer:
        """The answer. `changes` go to `allow`; a streamed body is one that was still on the wire."""
        outcome = await self.outcome(verb, path, body, still, **changes)
        assert isinstance(outcome, Answer)
        return outcome

    async def outcome(
        self,
        verb: str = "GET",
        path: bytes = b"/v1/time",
        body: bytes | AsyncIterator[bytes] = b"",
        still: Callable[[], Deny | None] = lambda: None,
        **changes: Any,
    ) -> Answer | Deny:
        def counted() -> Deny | None:
            self.asked_still += 1
            return still()

        if not isinstance(body, bytes):
            changes = {"body": None, **changes}
        return await forward(self.pool, allow(verb, path, **changes), FIELDS, body, still=counted)

    async def failure(self, verb: str = "GET", **changes: Any) -> UpstreamFailure:
        """The failure with which asking ends."""
        try:
            answer = await self.ask(verb, **changes)
            await whole(answer)
        except UpstreamFailure as failure:
            return failure
        raise AssertionError("the backend was believed")


@contextlib.asynccontextmanager
async def asking(
    script: Script, *, tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None, **policy: Any
) -> AsyncIterator[Asker]:
    """Nothing may be left over: closing the pool must end within the deadlines of what was under way."""
    async with scripted(script, None if tls is None else tls[0]) as backend:
        pool = Pool(upstream(backend.port, **policy), monotonic_ms, None if tls is None else tls[1])
        yield Asker(pool, backend)
        async with asyncio.timeout(5):
            await pool.aclose()


async def whole(answer: Answer) -> bytes:
    """The body to its end."""
    if isinstance(answer.body, bytes):
        return answer.body
    return b"".join([chunk async for chunk in answer.body])


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until it is so; five seconds at most."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # any condition will do
            await asyncio.sleep(0.001)
