"""A gateway without a listener, for tests of the edges: ASGI in, a scripted backend behind, memory in between."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import msgspec

from guard.edges.asgi import Gateway
from guard.edges.body import UnverifiedBudget
from guard.edges.direct import DirectRoad
from guard.edges.forwarded import Backends
from guard.edges.http import HttpEdge
from guard.model.decision import DecisionEvent
from guard.model.facts import Facts, Field
from guard.model.names import RequestId, UnixMs
from guard.model.policy import PolicySet
from guard.model.pricing import Settlement
from guard.service.aftermath import Aftermath, Outcome
from guard.service.judge import Judge, Judgement
from guard.service.policies import Rulebook, Rules
from guard.service.pressure import Pressure
from guard.state.ban_board import BanBoard
from guard.state.memory import MemoryLimits
from guard.telemetry.meter import Meter
from guard.upstream.backend import Backend as Upstream
from tests.build import NOW, abuse, limit, policies, record, route, service, slots
from tests.directory import Keys
from tests.line import SCHEMES
from tests.upstream.scripted_backend import Backend, Script, scripted


@dataclass
class Response:
    """What an ASGI server was told to send. `whole` says that the last part of the body came."""

    status: int = 0
    fields: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""
    whole: bool = False

    @property
    def problem(self) -> dict[str, Any]:
        decoded: dict[str, Any] = msgspec.json.decode(self.body)
        return decoded


@dataclass
class Front:
    """The gateway and what it left behind."""

    gateway: Gateway
    keys: Keys
    backend: Backend
    events: list[DecisionEvent]
    limits: MemoryLimits
    pressure: Pressure
    failures: list[int]
    board: BanBoard
    outcomes: list[Outcome]
    connection: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(subject=None, left=None))

    async def ask(
        self,
        message: Facts,
        *parts: bytes,
        gone: bool = False,
        stalls: bool = False,
        announced: bool = True,
        extended: bool = True,
        at_hand: bool = False,
        certificate: bytes | None = None,
    ) -> Response:
        """One request, its body in parts. `gone`: the client leaves after them; `stalls`: it says no more.

        `announced`: with a Content-Length. `extended`: by a server that hands the target over as it came; `at_hand`:
        and the body, which came with the head.
        """
        incoming = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
        if incoming and not gone and not stalls:
            incoming[-1]["more_body"] = False
        incoming.append({"type": "http.disconnect"})
        response = Response()

        async def receive() -> dict[str, Any]:
            if stalls and len(incoming) == 1:
                await asyncio.Event().wait()
            return incoming.pop(0)

        async def send(sent: Any) -> None:
            if sent["type"] == "http.response.start":
                response.status, response.fields = sent["status"], dict(sent["headers"])
            else:
                response.body += sent["body"]
                response.whole = not sent["more_body"]

        arriving = scope(message, sum(map(len, parts)) if parts and announced else None)
        arriving["extensions"]["guard"] |= {"connection": self.connection}
        if at_hand:
            arriving["extensions"]["guard"]["body"] = b"".join(parts)
            incoming.clear()
            if not announced:
                arriving["headers"].append((b"transfer-encoding", b"chunked"))
        if certificate is not None:
            arriving["extensions"]["guard"]["client_certificate"] = certificate
        if not extended:
            del arriving["extensions"]
        await self.gateway(arriving, receive, send)
        return response


class _Heard(Aftermath):
    """Keeps what it is told to conclude."""

    def __init__(self, *at: Any) -> None:
        super().__init__(*at)
        self.outcomes: list[Outcome] = []

    async def conclude(self, facts: Facts, judgement: Judgement, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        await super().conclude(facts, judgement, outcome)


def scope(message: Facts, content_length: int | None = None) -> dict[str, Any]:
    """The ASGI scope of a message."""
    fields: list[Field] = [(b"host", message.authority), *message.fields]
    if content_length is not None:
        fields.append((b"content-length", str(content_length).encode()))
    return {
        "type": "http",
        "method": message.verb,
        "scheme": "http",
        "raw_path": message.path,
        "path": message.path.decode("latin-1"),
        "query_string": message.query or b"",
        "headers": fields,
        "client": ("192.0.2.1", 4711),
        "extensions": {"guard": {"target": message.target}},
    }


def rules(url: str = "http://127.0.0.1:1") -> PolicySet:
    """An order route, a read route, both limited to 3 for each key; an open route that takes uploads; one at a time."""
    per_key = limit("key", capacity=3)
    served = service(
        route(limits_principal=(per_key,), total_ms=600),
        route("GET", "/v1/orders", limits_principal=(per_key,), scope="read", total_ms=600),
        route("ANY", "/open", auth=None, scope=None, reads=False, total_ms=600),
        route("POST", "/v1/search", limits_principal=(per_key,), settlement=Settlement(b"guard-cost", 3), total_ms=600),
        route("POST", "/v1/pending", limits_principal=(slots(),), limits_address=(slots(per=("ip",)),), total_ms=600),
        abuse=abuse(fields=frozenset({b"guard-fills"})),
    )
    upstream = msgspec.structs.replace(served.upstream, urls=(url,), response_ms=300)
    return policies(msgspec.structs.replace(served, upstream=upstream))


@asynccontextmanager
async def front(
    script: Script, *, now: UnixMs = NOW, url: str | None = None, clock_is_sure: bool = True
) -> AsyncIterator[Front]:
    """A gateway before a backend that follows a script, or before what is at `url`."""
    async with scripted(script) as behind:
        policy_set = rules(url or f"http://127.0.0.1:{behind.port}")
        keys, limits = Keys(record()), MemoryLimits(UnixMs(now - 1_000_000))
        events: list[DecisionEvent] = []
        upstream = Upstream(policy_set.services[0].upstream, lambda: time.monotonic_ns() // 1_000_000)
        numbers = iter(range(1_000_000))
        failures: list[int] = []
        pressure, board = Pressure(1000), BanBoard()
        aftermath = _Heard(limits, events.append, str, str, Meter())
        onward = Backends(lambda _: upstream, None)
        edge = HttpEdge(
            judge=Judge(
                *(Rules(Rulebook(policies=policy_set, schemes=SCHEMES)), keys, limits, lambda: now),
                strain=lambda _: pressure.strain(),
                clock_is_sure=lambda: clock_is_sure,
                board=board,
            ),
            aftermath=aftermath,
            pressure=pressure,
            onward=onward,
            budget=UnverifiedBudget(10_000, 10_000),
            body_ms_max=1000,
            now=lambda: now,
        )
        served = Gateway(
            edge, lambda: RequestId(f"req_{next(numbers)}"), lambda: failures.append(1), DirectRoad(edge, onward)
        )
        yield Front(served, keys, behind, events, limits, pressure, failures, board, aftermath.outcomes)
        await upstream.aclose()
