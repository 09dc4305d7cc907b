from guard.demo.app import demo_exchange
from guard.demo.recording import BODY_BYTES_MAX, Executed
from tests.demo.calling import call


async def test_each_request_is_recorded_as_it_arrived() -> None:
    app = demo_exchange()
    identity = ((b"guard-key-id", b"k_1"), (b"guard-request-id", b"req_1"))
    await call(app, "POST", "/v1/orders?a=%2F", body=b"{}", fields=identity)
    assert list(app.state.executed) == [
        Executed(
            method="POST",
            target=b"/v1/orders?a=%2F",
            fields=((b"host", b"demo"), (b"guard-account", b"alice"), *identity),
            body=b"{}",
            account="alice",
            key_id="k_1",
            request_id="req_1",
        )
    ]


async def test_an_unknown_path_is_recorded_too() -> None:
    app = demo_exchange()
    await call(app, "GET", "/nothing", account=None)
    assert [(each.target, each.account) for each in app.state.executed] == [(b"/nothing", None)]


async def test_only_the_last_requests_are_kept() -> None:
    app = demo_exchange(executed_max=2)
    for number in range(3):
        await call(app, "GET", f"/v1/orders/{number}")
    assert [each.target for each in app.state.executed] == [b"/v1/orders/1", b"/v1/orders/2"]


async def test_a_body_over_the_cap_is_refused_unread() -> None:
    app = demo_exchange()
    answered = await call(app, "POST", "/v1/orders", body=b"x" * (BODY_BYTES_MAX + 1))
    assert answered.status == 413
    assert len(app.state.executed[0].body) == BODY_BYTES_MAX


async def test_an_order_that_is_cut_off_is_not_placed() -> None:
    app = demo_exchange()
    whole = b'{"symbol":"BTC-USD","side":"buy","qty":"0.01","px":"60000"}'
    assert (await call(app, "POST", "/v1/orders", chunks=[whole[:20], whole[20:]])).status == 413
    assert (await call(app, "GET", "/v1/orders")).content == {"orders": []}


async def test_other_scopes_pass_through() -> None:
    app = demo_exchange()
    sent: list[object] = []

    async def receive() -> dict[str, str]:
        return {"type": "lifespan.startup"} if not sent else {"type": "lifespan.shutdown"}

    async def send(message: object) -> None:
        sent.append(message)

    await app({"type": "lifespan", "asgi": {}, "state": {}}, receive, send)
    assert sent == [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]
    assert not app.state.executed
