"""A small edge that is no ASGI and no HTTP drives the judge end to end: frames over TCP, one JSON line each.

It keeps the core honest: all that it needs is in Facts, and every reason has a FIX reject to answer with.
"""

import asyncio
import base64
import json

from guard.core.stages import Signed
from guard.model.decision import Deny
from guard.model.facts import Body, BodyRead, Facts, Transport
from guard.model.names import Address, KeyId, RequestId, UnixMs
from guard.model.reasons import reason
from guard.service.judge import Judge
from guard.service.policies import Rulebook, Rules
from guard.state.memory import MemoryLimits
from guard.wire.field_names import field_names
from tests.build import NOW, policies, record, route, service, signed
from tests.directory import Keys
from tests.line import SCHEMES


class FrameEdge:
    """Answers each frame with `35=8` if it may pass, or with the SessionRejectReason(373) of its Deny."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._frames = 0
        self.closed = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            self._frames += 1
            judgement = await self._judge.judge(self._facts(json.loads(line)), _no_more)
            outcome = judgement.outcome
            if isinstance(outcome, Deny):
                answer = f"35=3|373={reason(outcome.code).fix_reject}|58={reason(outcome.code).public}"
            else:
                answer = f"35=8|1={outcome.record.account if outcome.record else ''}"
            writer.write(answer.encode() + b"\n")
            await writer.drain()
        writer.close()
        await writer.wait_closed()
        self.closed.set()

    def _facts(self, frame: dict[str, str]) -> Facts:
        fields = tuple((name.encode(), value.encode()) for name, value in frame.items() if name.startswith("guard-"))
        return Facts(
            transport=Transport.FIX,
            verb=frame["35"],
            authority=frame["56"].encode(),
            path=b"/SPOT",
            fields=fields,
            names=field_names(fields),
            body=base64.b64decode(frame["body"]),
            peer=Address("127.0.0.1"),
            received_at=NOW,
            request_id=RequestId(f"frame-{self._frames}"),
        )


async def _no_more(_: Signed) -> Body:
    return BodyRead(b"")


def _frame(message: Facts, body: bytes) -> bytes:
    fields = {name.decode(): value.decode() for name, value in message.fields}
    return json.dumps({"35": "D", "56": "SPOT", "body": base64.b64encode(body).decode(), **fields}).encode() + b"\n"


async def test_frames_are_judged_over_a_socket_that_speaks_no_http() -> None:
    rules = Rules(Rulebook(policies=policies(service(route("D", "/SPOT"))), schemes=SCHEMES))
    judge = Judge(rules, Keys(record()), MemoryLimits(UnixMs(NOW - 1_000_000)), lambda: NOW)
    edge = FrameEdge(judge)
    server = await asyncio.start_server(edge.serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())

    async def asked(frame: bytes) -> str:
        writer.write(frame)
        return (await asyncio.wait_for(reader.readline(), 5)).decode().strip()

    order = signed("D", b"/SPOT", authority=b"SPOT")
    assert await asked(_frame(order, b"")) == "35=8|1=acme"
    assert await asked(_frame(order, b"")) == "35=3|373=8|58=auth.replayed"
    forged = signed("D", b"/SPOT", authority=b"SPOT", secret=b"forged")
    assert await asked(_frame(forged, b"")) == "35=3|373=8|58=auth.invalid"
    stranger = signed("D", b"/SPOT", authority=b"SPOT", key_id=KeyId("gk_nobody"))
    assert await asked(_frame(stranger, b"")) == "35=3|373=8|58=auth.invalid"
    old = signed("D", b"/SPOT", authority=b"SPOT", at=UnixMs(NOW - 6000))
    assert await asked(_frame(old, b"")) == "35=3|373=10|58=auth.stale"
    writer.close()
    await writer.wait_closed()
    await asyncio.wait_for(edge.closed.wait(), 5)
    server.close()
    await server.wait_closed()
