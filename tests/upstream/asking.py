"""What guard knows of a backend, in front of scripted ones, and short ways to ask it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from guard.model.decision import Deny
from guard.upstream.answer import Answer, UpstreamFailure
from guard.upstream.backend import Backend as Upstream
from guard.upstream.forward import forward
from guard.upstream.pool import Pool
from tests.upstream.build_allow import allow, monotonic_ms
from tests.upstream.build_allow import upstream as upstream_policy
from tests.upstream.certificates import Certificates
from tests.upstream.scripted_backend import Backend, Script, scripted

FIELDS = [(b"host", b"gateway.test"), (b"accept", b"*/*")]


class Asker:
    """Asks one backend. Counts how often the line was asked whether the request may still go."""

    def __init__(self, upstream: Upstream, *behind: Backend) -> None:
        self.upstream = upstream
        self.behind = behind
        self.asked_still = 0

    @property
    def backend(self) -> Backend:
        """The first endpoint, as itself sees what happens."""
        return self.behind[0]

    @property
    def pool(self) -> Pool:
        """The connections to the first endpoint."""
        return self.upstream.endpoints[0].pool

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
        return await forward(self.upstream, allow(verb, path, **changes), FIELDS, body, still=counted)

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
    script: Script,
    *more: Script,
    certificates: Certificates | None = None,
    notice: Callable[[str, str], None] = lambda _event, _url: None,
    **policy: Any,
) -> AsyncIterator[Asker]:
    """An endpoint for each script. Nothing may be left over: closing must end within the deadlines of the exchanges.

    `certificates`: the endpoints speak TLS.
    """
    async with contextlib.AsyncExitStack() as stack:
        context = None if certificates is None else certificates.server()
        behind = [await stack.enter_async_context(scripted(each, context)) for each in (script, *more)]
        scheme = "http" if context is None else "https"
        urls = tuple(f"{scheme}://127.0.0.1:{each.port}" for each in behind)
        upstream = Upstream(
            upstream_policy(**{"urls": urls, **policy}), monotonic_ms, notice=notice, chance=lambda: 0.5
        )
        upstream.start()
        yield Asker(upstream, *behind)
        async with asyncio.timeout(5):
            await upstream.aclose()
        assert not any(endpoint.pool.busy for endpoint in upstream.endpoints), "a slot has leaked"


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
