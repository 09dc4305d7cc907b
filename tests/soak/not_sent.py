"""Answers with `sent: no`, of every kind, while other requests pass: none of them is in the backend's record.

And every answer with `sent: yes` is, so that the comparison can fail.
"""

import asyncio
import random
import signal
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from tests.soak.client import Answer, Caller
from tests.soak.verdict import Check, Say, Verdict, at_least, none
from tests.system.gateway import RunningGateway, running_gateway
from tests.system.key_holder import Key, changed, minted, signed, signed_fields
from tests.system.raw_http import message
from tests.system.recording_backend import Peer, Received, RecordingBackend, Script, answer, recording_backend

NAME = "not_sent"

_POLICIES = Path(__file__).parent / "policies_not_sent"
_CONNECTIONS = 24
_HOST = b"soak.test"
_ORDERS = "/v1/orders"


class Size(msgspec.Struct, frozen=True):
    """How many answers with `sent: no`."""

    answers: int


FULL = Size(answers=10_000)
SMALL = Size(answers=600)


class Told(msgspec.Struct):
    """What clients were told: request ids by `sent`, and how often each reason."""

    ids: dict[bytes, set[bytes]]
    reasons: Counter[str]
    closed: int = 0

    def take(self, told: Answer) -> None:
        """Count one answer."""
        self.ids.setdefault(told.sent, set()).add(told.request_id)
        code = told.body.partition(b'"code":"')[2].partition(b'"')[0] if told.status >= 400 else b""
        self.reasons[f"{told.status} {code.decode()}".strip()] += 1

    @property
    def refused(self) -> int:
        return len(self.ids.get(b"no", ()))


def run(size: Size, say: Say) -> Verdict:
    """Refuse that many requests, then compare with the record."""
    with tempfile.TemporaryDirectory(prefix="guard-soak-") as folder, recording_backend() as backend:
        backend.scripts = {_ORDERS: _moody(), "/v1/narrow": _slow}
        keys = {"reader": minted("reader", scopes=("read",)), "nowhere": minted("nowhere", networks=("192.0.2.0/24",))}
        with running_gateway(Path(folder), backend, keys, policies=_POLICIES) as gateway:
            told = asyncio.run(_ask_all(gateway, size, say))
        return Verdict(NAME, tuple(_compare(told, backend, size, say)))


def _compare(told: Told, backend: RecordingBackend, size: Size, say: Say) -> list[Check]:
    for reason, count in sorted(told.reasons.items()):
        say(f"{count:6d}  {reason}")
    received = Counter(ids[0] for one in backend.record if (ids := one.values(b"guard-request-id")))
    refused, sent = told.ids.get(b"no", set()), told.ids.get(b"yes", set())
    return [
        at_least("answers with sent: no", len(refused), size.answers),
        none("of them in the backend's record", len(refused & received.keys())),
        at_least("answers with sent: yes", len(sent), size.answers // 20),
        none("of them missing in the record", len(sent - received.keys())),
        none("requests that the backend has twice", sum(times > 1 for times in received.values())),
        none("answers without sent or an id", len(told.ids.get(b"", ())) + (b"" in refused | sent)),
        at_least("kinds of refusal", sum(not reason.startswith("200") for reason in told.reasons), 15),
    ]


async def _ask_all(gateway: RunningGateway, size: Size, say: Say) -> Told:
    told = Told({}, Counter())
    asking = [asyncio.create_task(_ask(gateway, told, size, number)) for number in range(_CONNECTIONS)]
    while not all(task.done() for task in asking):
        await asyncio.wait(asking, timeout=5)
        say(f"{told.refused} answers with sent: no")
    for task in asking:
        task.result()
    await _drain(gateway, told)
    return told


async def _ask(gateway: RunningGateway, told: Told, size: Size, number: int) -> None:
    """One client after the other on one connection, as long as there are too few refusals."""
    draw = random.Random(number)  # noqa: S311  # a seed, so that a failure can be repeated
    caller = await Caller.connect(gateway.port)
    while told.refused < size.answers:
        for content in draw.choice(_KINDS)(gateway):
            if caller.gone:
                caller = await Caller.connect(gateway.port)
            try:
                answered = await caller.ask(content)
            except ConnectionError:
                told.closed += 1
                continue
            told.take(answered)
            if answered.closes:
                caller.close()
                caller = await Caller.connect(gateway.port)
    caller.close()


async def _drain(gateway: RunningGateway, told: Told) -> None:
    """SIGTERM while requests are under way and wait for room; what they are told counts too."""
    callers = [await Caller.connect(gateway.port) for _ in range(_CONNECTIONS)]
    asked = [caller.asked(_narrow(gateway)[0]) for caller in callers]
    await asyncio.sleep(0.02)
    assert gateway.process is not None
    gateway.process.send_signal(signal.SIGTERM)
    for done in await asyncio.gather(*asked, return_exceptions=True):
        if isinstance(done, Answer):
            told.take(done)
    for caller in callers:
        caller.close()
    await asyncio.to_thread(gateway.process.wait, 15)


# Kinds of requests: what one client sends, one after the other.


def _signed(gateway: RunningGateway, key: str = "trader", body: bytes = b"{}", host: bytes = _HOST) -> bytes:
    return signed(gateway.keys[key], "POST", _ORDERS, body, host=host)


def _good(gateway: RunningGateway) -> list[bytes]:
    return [_signed(gateway), message("GET", "/open/x", [(b"Host", _HOST)])]


def _down(gateway: RunningGateway) -> list[bytes]:
    content = _signed(gateway, host=b"down.test")
    return [content, content]


def _narrow(gateway: RunningGateway) -> list[bytes]:
    return [signed(gateway.keys["trader"], "POST", "/v1/narrow", b"{}", host=b"narrow.test")]


def _replayed(gateway: RunningGateway) -> list[bytes]:
    content = _signed(gateway)
    return [content, content]


def _limited(gateway: RunningGateway) -> list[bytes]:
    return [signed(gateway.keys["trader"], "POST", "/v1/few", b"{}", host=_HOST) for _ in range(4)]


def _forged(gateway: RunningGateway) -> list[bytes]:
    fields = signed_fields(gateway.keys["trader"], "POST", _ORDERS, b"{}", host=_HOST)
    stranger: Key = minted("stranger")
    return [
        message("POST", _ORDERS, changed(fields, b"Guard-Signature", b"A" * 43 + b"="), b"{}"),
        message("POST", _ORDERS, fields, b"[]"),
        message("POST", _ORDERS, [(b"Host", _HOST)], b"{}"),
        signed(stranger, "POST", _ORDERS, b"{}", host=_HOST),
        signed(gateway.keys["trader"], "POST", _ORDERS, b"{}", host=_HOST, at=1_700_000_000_000),
    ]


def _not_allowed(gateway: RunningGateway) -> list[bytes]:
    return [
        _signed(gateway, "reader"),
        _signed(gateway, "nowhere"),
        signed(gateway.keys["trader"], "GET", "/admin", host=_HOST),
        signed(gateway.keys["trader"], "GET", "/nowhere", host=_HOST),
        signed(gateway.keys["trader"], "DELETE", _ORDERS, host=_HOST),
        signed(gateway.keys["trader"], "GET", "/open/../admin", host=_HOST),
        message("GET", "/open/x", [(b"Host", b"elsewhere.test")]),
    ]


def _malformed(gateway: RunningGateway) -> list[bytes]:
    fields = signed_fields(gateway.keys["trader"], "POST", _ORDERS, b"{}", host=_HOST)
    return [
        message("POST", _ORDERS, [*fields, (b"Content-Length", b"2"), (b"Transfer-Encoding", b"chunked")])
        + b"0\r\n\r\n",
        message("POST", _ORDERS, [*fields, (b"Content-Length", b"99999")]),
        message("POST", _ORDERS, [*fields, (b"Transfer-Encoding", b"chunked")], b"zz\r\n"),
        message("POST", _ORDERS, [*fields, (b"X-Large", b"x" * 70_000)], b"{}"),
        message("POST", _ORDERS, [*fields, (b"Expect", b"the worst")], b"{}"),
        b"POST /v1/orders HTTP/1.1\nHost: soak.test\n\n",
    ]


_KINDS: tuple[Callable[[RunningGateway], list[bytes]], ...] = (
    *(_good, _down, _narrow, _narrow, _narrow, _replayed, _limited, _forged, _not_allowed, _malformed),
)


def _moody() -> Script:
    """A backend that now and then hangs up on a request, or behind its answer, or answers nonsense."""
    draw = random.Random(3)  # noqa: S311  # a seed, so that a failure can be repeated

    async def moody(peer: Peer, received: Received) -> bool:
        mood = draw.random()
        if mood < 0.05:
            return False
        if mood < 0.1:
            await peer.send(b"SSH-2.0-OpenSSH_9\r\n")
            return False
        await peer.send(answer(received.body))
        return mood < 0.8

    return moody


async def _slow(peer: Peer, received: Received) -> bool:
    await asyncio.sleep(0.03)
    await peer.send(answer(received.body))
    return True
