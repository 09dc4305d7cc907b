"""The backend of one service: its endpoints, which of them is asked next, and whether any should be asked at all.

The breaker stands before the service, not before each endpoint: an endpoint that ails is passed over (`health.py`), and
what is left to say, before anything is charged, is whether a request has any prospect. What exchanges tell of an
endpoint never takes the last one away: where none is fit, the one that is due back first is asked.
"""

import asyncio
import random
from collections.abc import Callable, Sequence

from guard.model.exchange import Sent
from guard.model.upstream_policy import UpstreamPolicy
from guard.upstream.answer import UpstreamFailure
from guard.upstream.breaker import Breaker
from guard.upstream.checks import check_for_ever
from guard.upstream.connection import Connection
from guard.upstream.endpoint import Endpoint, Notice
from guard.upstream.health import Health
from guard.upstream.origin import Origin

ENDPOINTS_TRIED_MAX = 3


def _unheard(_event: str, _url: str) -> None:
    """For whoever keeps no log."""


class Backend:
    """See the module. `clock` is monotonic, in milliseconds; `chance` gives a number from 0 to 1.

    Made while an event loop runs; `start` begins its checks, `aclose` is owed. Raises OSError or ValueError if a file
    that the policy names cannot be used.
    """

    def __init__(
        self,
        policy: UpstreamPolicy,
        clock: Callable[[], int],
        *,
        notice: Notice = _unheard,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.policy = policy
        self.clock = clock
        self._breaker = None if policy.breaker is None else Breaker(policy.breaker)
        self.endpoints = tuple(
            Endpoint(
                Origin(url, policy.tls),
                policy,
                clock,
                health=Health(chance),
                breaker=self._breaker,
                notice=notice,
            )
            for url in policy.urls
        )
        self._only = self.endpoints[0] if len(self.endpoints) == 1 else None
        self._turns = 0
        self._checks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin the checks that the policy asks for."""
        health = self.policy.health
        if health is not None:
            self._checks = [
                asyncio.create_task(check_for_ever(endpoint.origin, health, self.clock, endpoint.checked))
                for endpoint in self.endpoints
            ]

    async def aclose(self) -> None:
        """Take no more requests, let the exchanges under way end, but only for a moment; then close everything."""
        for check in self._checks:
            check.cancel()
        await asyncio.gather(*self._checks, return_exceptions=True)
        await asyncio.gather(*(endpoint.pool.aclose() for endpoint in self.endpoints))

    @property
    def busy(self) -> int:
        """How many exchanges are under way, wait, or are connecting."""
        return sum(endpoint.pool.busy for endpoint in self.endpoints)

    def strain(self) -> int:
        """Requests less urgent than this must wait, because so many wait for each endpoint already."""
        if self._only is not None:
            return self._only.pool.strain
        return min(endpoint.pool.strain for endpoint in self.endpoints)

    def obstacle(self) -> str | None:
        """The code of the reason why a request cannot be taken now, None if it can. To be asked before it is charged.

        upstream.breaker_open; upstream.unreachable if the checks of every endpoint fail; gateway.overloaded.
        """
        breaker = self._breaker
        if breaker is not None and breaker.open and not breaker.lets_through(self.clock()):
            return "upstream.breaker_open"
        code = "upstream.unreachable"
        for endpoint in self.endpoints:
            if endpoint.health.checked:
                if not endpoint.pool.crowded:
                    return None
                code = "gateway.overloaded"
        return code

    def begin(self, now_ms: int) -> Endpoint:
        """The endpoint to ask. Raises UpstreamFailure, with nothing sent, if the breaker lets nothing through."""
        if self._breaker is not None and not self._breaker.begin(now_ms):
            raise UpstreamFailure("upstream.breaker_open", Sent.NO, "too much has failed lately")
        return self._only or self._next(now_ms, self.endpoints)

    def at_rest(self, now_ms: int, *, stranger: bool, surely: bool) -> Connection | None:
        """A rested connection to the endpoint that is to be asked, if all is well and one is at hand. Else nothing."""
        if self._breaker is not None and self._breaker.open:
            return None
        endpoint = self._only
        if endpoint is None:
            endpoint = min(self.endpoints, key=lambda each: each.rank(now_ms))
            if not endpoint.health.fit(now_ms) or endpoint.health.failures:
                return None
            self._turns += 1
            endpoint.turn = self._turns
        return endpoint.pool.rested(now_ms, stranger=stranger, surely=surely)

    async def reach(self, endpoint: Endpoint, end_by_ms: int, *, stranger: bool) -> Connection:
        """A connection to this endpoint; to another one if it takes none. Raises UpstreamFailure, nothing sent."""
        tried: list[Endpoint] = []
        while True:
            tried.append(endpoint)
            try:
                return await endpoint.pool.take(end_by_ms, stranger=stranger)
            except UpstreamFailure as failure:
                other = self._other(tried, end_by_ms) if failure.code == "upstream.unreachable" else None
                if other is None:
                    self._account(endpoint, failure)
                    raise
            endpoint = other
            rested = endpoint.pool.rested(self.clock(), stranger=stranger, surely=True)
            if rested is not None:
                return rested

    async def reach_afresh(self, left: Connection, end_by_ms: int, *, stranger: bool) -> Connection:
        """A connection that no exchange has used, because this one was left by its backend without a word."""
        now_ms = self.clock()
        elsewhere = [one for one in self.endpoints if one.pool is not left.home and one.health.fit(now_ms)]
        endpoint = self._next(now_ms, elsewhere or self.endpoints)
        try:
            return await endpoint.pool.take(end_by_ms, stranger=stranger, fresh=True)
        except UpstreamFailure as failure:
            self._account(endpoint, failure)
            raise

    def _account(self, endpoint: Endpoint, failure: UpstreamFailure) -> None:
        if failure.code == "upstream.unreachable":
            endpoint.count_failure(self.clock())

    def _other(self, tried: Sequence[Endpoint], end_by_ms: int) -> Endpoint | None:
        now_ms = self.clock()
        if len(tried) >= ENDPOINTS_TRIED_MAX or now_ms >= end_by_ms:
            return None
        untried = [endpoint for endpoint in self.endpoints if endpoint not in tried]
        return self._next(now_ms, untried) if untried else None

    def _next(self, now_ms: int, among: Sequence[Endpoint]) -> Endpoint:
        """The least busy of the fit; of those the one that has waited longest."""
        chosen, least = among[0], among[0].rank(now_ms)
        for endpoint in among[1:]:
            rank = endpoint.rank(now_ms)
            if rank < least:
                chosen, least = endpoint, rank
        self._turns += 1
        chosen.turn = self._turns
        chosen.health.begin(now_ms)
        return chosen
