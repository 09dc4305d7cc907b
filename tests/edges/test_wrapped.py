"""The application in the backend's place: what it sees, what becomes of its answer, and of what it raises."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from guard.edges.asgi import Gateway
from guard.edges.body import UnverifiedBudget
from guard.edges.http import HttpEdge
from guard.edges.wrapped import Admitted, Wrapped
from guard.model.decision import DecisionEvent
from guard.model.facts import Facts
from guard.model.keys import KeyRecord, KeyState
from guard.model.names import AccountId, KeyId, RequestId, UnixMs
from guard.model.questions import Unavailable
from guard.service.aftermath import Aftermath
from guard.service.judge import Judge
from guard.service.policies import Rulebook, Rules
from guard.service.pressure import Pressure
from guard.state.memory import MemoryLimits
from guard.telemetry.meter import Meter
from tests.build import KEY_ID, NOW, facts, record, service, signed
from tests.directory import Keys
from tests.edges.gateway import Response, rules, scope
from tests.line import SCHEMES

App = Callable[[Any, Any, Any], Awaitable[None]]


class Door:
    """A gateway around an application, and a client of it."""

    def __init__(self, app: App, *, body_ms_max: int = 1000) -> None:
        self.keys, self.limits = Keys(record()), MemoryLimits(UnixMs(NOW - 1_000_000))
        self.events: list[DecisionEvent] = []
        self.failures: list[int] = []
        edge = HttpEdge(
            judge=Judge(Rules(Rulebook(policies=rules(), schemes=SCHEMES)), self.keys, self.limits, lambda: NOW),
            aftermath=Aftermath(self.limits, self.events.append, str, str, Meter()),
            pressure=Pressure(1000),
            onward=Wrapped(app, None),
            budget=UnverifiedBudget(10_000, 10_000),
            body_ms_max=body_ms_max,
            now=lambda: NOW,
        )
        self.gateway = Gateway(edge, lambda: RequestId("req_0"), lambda: self.failures.append(1))
        self.response = Response()
        self.sent: list[Any] = []
        self.gone = False

    async def ask(
        self,
        message: Facts,
        *parts: bytes,
        announced: bool = True,
        leaves: bool = False,
        stalls: bool = False,
        pause_s: float = 0.0,
    ) -> Response:
        """One request; then the client stays until it is answered, or `leaves` after the parts, or `stalls`."""
        incoming = [{"type": "http.request", "body": part, "more_body": True} for part in parts or (b"",)]
        if not leaves and not stalls:
            incoming[-1]["more_body"] = False
        answered = asyncio.Event()

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(pause_s)
            if not incoming and not leaves:
                await answered.wait()
            return incoming.pop(0) if incoming else {"type": "http.disconnect"}

        async def send(sent: Any) -> None:
            if self.gone:
                raise OSError("gone")
            self.sent.append(sent)
            if sent["type"] == "http.response.start":
                self.response.status, self.response.fields = sent["status"], dict(sent["headers"])
            else:
                self.response.body += sent["body"]
                self.response.whole = not sent["more_body"]
            if self.response.whole:
                answered.set()

        arriving = scope(message, sum(map(len, parts)) if parts and announced else None)
        arriving["path"] = "/rewritten"
        arriving["extensions"] |= {"http.response.pathsend": {}, "tls": {"version": 772}}
        await self.gateway(arriving, receive, send)
        return self.response


def answers(status: int = 200, *parts: bytes, fields: Any = ()) -> App:
    async def app(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": list(fields)})
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})

    return app


class Reader:
    """Reads its whole body, keeps what it saw, answers 200."""

    def __init__(self) -> None:
        self.scope: dict[str, Any] = {}
        self.body = b""
        self.messages: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope = scope
        more = True
        while more:
            message = await receive()
            self.messages.append(message)
            self.body += message.get("body", b"")
            more = message.get("more_body", False)
        if self.messages[-1]["type"] == "http.request":
            await answers(200, b"ok")(scope, receive, send)


async def test_the_application_sees_what_was_judged_and_who_sent_it() -> None:
    app = Reader()
    response = await Door(app).ask(signed(query=b"a=%20", body=b"xyz"), b"x", b"yz")
    assert (response.status, response.body, response.whole) == (200, b"ok", True)
    assert app.body == b"xyz"
    assert (app.scope["path"], app.scope["raw_path"], app.scope["query_string"]) == (
        "/v1/orders",
        b"/v1/orders",
        b"a=%20",
    )
    assert app.scope["guard"] == Admitted(
        request_id=RequestId("req_0"),
        account=AccountId("acme"),
        key_id=KEY_ID,
        scopes=frozenset({"read", "trade"}),
    )
    fields = dict(app.scope["headers"])
    assert fields[b"guard-account"] == b"acme"
    assert fields[b"content-length"] == b"3"
    assert fields[b"host"] == b"gateway.test"


async def test_the_application_is_offered_nothing_that_passes_around_guard() -> None:
    app = Reader()
    await Door(app).ask(signed())
    assert app.scope["extensions"] == {"tls": {"version": 772}}


async def test_what_is_refused_never_reaches_the_application() -> None:
    app = Reader()
    door = Door(app)
    assert (await door.ask(signed(secret=b"forged"))).status == 401
    assert app.messages == []
    assert door.events[0].sent == "no"


async def test_on_an_open_route_the_body_comes_as_it_is_sent_and_nobody_is_named() -> None:
    app = Reader()
    message = facts("PUT", b"/open", fields=((b"transfer-encoding", b"chunked"),))
    await Door(app).ask(message, b"one", b"two", announced=False)
    assert [each["body"] for each in app.messages] == [b"one", b"two"]
    assert dict(app.scope["headers"])[b"transfer-encoding"] == b"chunked"
    admitted = app.scope["guard"]
    assert (admitted.account, admitted.key_id, admitted.scopes) == (None, None, frozenset())


async def test_a_length_that_was_announced_is_told() -> None:
    app = Reader()
    await Door(app).ask(facts("PUT", b"/open", body=None), b"one", b"two")
    assert dict(app.scope["headers"])[b"content-length"] == b"6"


async def test_an_answer_passes_on_with_guards_word_and_not_the_applications() -> None:
    fields = [(b"Guard-Sent", b"no"), (b"RateLimit", b"forged"), (b"X-Mine", b"1"), (b"Connection", b"close")]
    door = Door(answers(201, b"a", b"b", fields=fields))
    response = await door.ask(signed())
    assert (response.status, response.body) == (201, b"ab")
    assert response.fields[b"guard-sent"] == b"yes"
    assert response.fields[b"guard-request-id"] == b"req_0"
    assert response.fields[b"ratelimit"].startswith(b'"key";r=2')
    assert response.fields[b"x-mine"] == b"1"
    assert b"connection" not in response.fields
    [event] = door.events
    assert (event.decision, event.status, event.sent, event.bytes_out) == ("allow", 201, "yes", 2)


@pytest.mark.parametrize(("verb", "status"), [("HEAD", 200), ("POST", 204), ("POST", 304)])
async def test_an_answer_that_has_no_body_gets_none(verb: str, status: int) -> None:
    door = Door(answers(status, b"text", fields=[(b"content-length", b"4")]))
    response = await door.ask(facts(verb, b"/open"))
    assert (response.status, response.body, response.whole) == (status, b"", True)
    assert (b"content-length" in response.fields) is (verb == "HEAD")


async def test_what_the_application_raises_reaches_its_server_after_the_client_was_answered() -> None:
    async def app(_: Any, __: Any, ___: Any) -> None:
        raise ZeroDivisionError

    door = Door(app)
    with pytest.raises(ZeroDivisionError):
        await door.ask(signed())
    assert (door.response.status, door.response.fields[b"guard-sent"]) == (502, b"yes")
    assert door.response.problem["code"] == "upstream.broken"
    assert door.failures == []
    [event] = door.events
    assert (event.decision, event.reason, event.sent) == ("allow", "upstream.broken", "yes")


async def test_an_application_that_says_nothing_is_answered_for() -> None:
    async def app(_: Any, __: Any, ___: Any) -> None:
        return

    assert (await Door(app).ask(signed())).status == 502


async def test_an_answer_that_breaks_off_is_not_completed() -> None:
    async def app(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})

    door = Door(app)
    response = await door.ask(signed())
    assert (response.status, response.whole) == (200, False)
    assert door.events[0].error == "the application broke off its answer"


async def test_what_is_done_after_the_answer_changes_nothing_of_it() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answers(200, b"ok")(scope, receive, send)
        await send({"type": "http.response.body", "body": b"late"})
        assert (await receive())["type"] == "http.request"
        assert (await receive())["type"] == "http.disconnect"
        raise ZeroDivisionError

    door = Door(app)
    with pytest.raises(ZeroDivisionError):
        await door.ask(signed())
    assert door.response.body == b"ok"
    assert [event.status for event in door.events] == [200]


async def test_an_extension_that_was_not_offered_is_an_error() -> None:
    async def app(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.pathsend", "path": "/etc/passwd"})

    door = Door(app)
    with pytest.raises(RuntimeError, match="pathsend"):
        await door.ask(signed())
    assert door.response.status == 502


async def test_a_client_that_leaves_is_told_to_the_application() -> None:
    async def app(_: Any, receive: Any, __: Any) -> None:
        assert (await receive()) == {"type": "http.request", "body": b"", "more_body": False}
        assert (await receive()) == {"type": "http.disconnect"}

    door = Door(app)
    await door.ask(signed(), leaves=True)
    [event] = door.events
    assert (event.reason, event.sent, event.error) == ("request.incomplete", "yes", "the client went away")


async def test_a_client_that_leaves_in_the_middle_of_its_answer_broke_it_off() -> None:
    async def app(_: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        await receive()
        await receive()

    door = Door(app)
    await door.ask(signed(), leaves=True)
    assert door.events[0].error == "the client went away"


async def test_what_a_server_raises_for_a_client_that_has_gone_reaches_the_application() -> None:
    door = Door(answers(200, b"x"))
    door.gone = True
    with pytest.raises(OSError, match="the client has gone"):
        await door.ask(signed())
    assert len(door.events) == 1


async def test_an_upload_that_grows_beyond_its_route_is_refused_and_broken_off() -> None:
    app = Reader()
    message = facts("PUT", b"/open", fields=((b"transfer-encoding", b"chunked"),))
    door = Door(app)
    response = await door.ask(message, *[b"x" * 1000] * 3, announced=False)
    assert (response.status, response.fields[b"guard-sent"]) == (413, b"yes")
    assert app.messages[-1] == {"type": "http.disconnect"}
    assert [event.reason for event in door.events] == ["request.too_large"]


async def test_an_upload_that_is_not_sent_in_time_is_refused_and_what_the_application_takes_does_not_count() -> None:
    class Slow(Reader):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            async def after_a_while() -> Any:
                await asyncio.sleep(0.15)
                return await receive()

            await super().__call__(scope, after_a_while, send)

    chunked = ((b"transfer-encoding", b"chunked"),)
    door = Door(Slow(), body_ms_max=200)
    assert (await door.ask(facts("PUT", b"/open", fields=chunked), b"1", b"2", b"3", announced=False)).status == 200
    door = Door(Reader(), body_ms_max=50)
    stalled = await door.ask(facts("PUT", b"/open", fields=chunked), b"begins", announced=False, stalls=True)
    assert (stalled.status, stalled.problem["code"]) == (408, "request.timeout")
    door = Door(Reader(), body_ms_max=100)
    assert (
        await door.ask(facts("PUT", b"/open", fields=chunked), *[b"x"] * 10, announced=False, pause_s=0.04)
    ).status == 408


async def test_an_upload_that_its_client_breaks_off_is_no_whole_body() -> None:
    app = Reader()
    door = Door(app)
    await door.ask(facts("PUT", b"/open", body=None), b"begins", leaves=True)
    assert app.messages[-1] == {"type": "http.disconnect"}
    assert [event.reason for event in door.events] == ["request.incomplete"]


async def test_a_key_revoked_at_the_last_moment_is_stopped_before_the_application_is_called() -> None:
    app = Reader()
    door = Door(app)
    find, asked = door.keys.find, 0

    def revoked_at_the_third_look(key_id: KeyId, now: UnixMs) -> KeyRecord | Unavailable | None:
        nonlocal asked
        asked += 1
        return find(key_id, now) if asked < 3 else record(state=KeyState.DEACTIVATED)

    door.keys.find = revoked_at_the_third_look  # type: ignore[method-assign]
    response = await door.ask(signed())
    assert (response.problem["code"], response.fields[b"guard-sent"]) == ("auth.revoked_key", b"no")
    assert app.messages == []


async def test_an_application_that_is_cancelled_is_concluded() -> None:
    called = asyncio.Event()

    async def app(_: Any, __: Any, ___: Any) -> None:
        called.set()
        await asyncio.Event().wait()

    door = Door(app)
    asking = asyncio.create_task(door.ask(signed()))
    await called.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert [event.sent for event in door.events] == ["yes"]


async def test_an_application_that_raises_gives_its_slots_back() -> None:
    async def app(_: Any, __: Any, ___: Any) -> None:
        raise ZeroDivisionError

    door = Door(app)
    for number in range(2):
        with pytest.raises(ZeroDivisionError):
            await door.ask(signed("POST", b"/v1/pending", nonce=f"nonce-{number:020d}"))
        assert (door.response.status, door.response.problem["code"]) == (502, "upstream.broken")
        door.response.body = b""


def test_admitted_cannot_be_changed() -> None:
    admitted = Admitted(request_id=RequestId("r"), account=None, key_id=None, scopes=frozenset())
    with pytest.raises(AttributeError):
        admitted.account = AccountId("other")  # type: ignore[misc]
    assert isinstance(admitted, msgspec.Struct)


def test_nothing_stands_in_the_way_of_an_application() -> None:
    assert Wrapped(answers(), None).obstacle(service()) is None  # type: ignore[func-returns-value]


async def test_what_an_application_says_that_it_cost_is_settled_and_told_to_nobody() -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"Guard-Cost", b"3")]})
        await send({"type": "http.response.body", "body": b"hi"})

    door = Door(app)
    response = await door.ask(signed(path=b"/v1/search"))
    assert (response.status, b"guard-cost" in response.fields) == (200, False)
    assert [event.cost for event in door.events] == [3]
    assert (await door.ask(signed(nonce="nonce-0123456789-another"))).status == 429
