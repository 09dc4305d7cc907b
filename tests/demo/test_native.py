import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.demo.app import demo_exchange
from guard.demo.exchange import Exchange, Refusal
from guard.demo.face import Call
from guard.demo.native import NATIVE
from guard.model.names import UnixMs
from tests.demo.calling import Answered, call

NOW = UnixMs(1_700_000_000_000)
ORDER = {"symbol": "BTC-USD", "side": "buy", "qty": "0.01", "px": "60000"}


def text(**changes: object) -> bytes:
    return json.dumps({**ORDER, **changes}).encode()


async def test_the_time_and_the_book_need_no_account() -> None:
    app = demo_exchange(clock=lambda: NOW)
    assert (await call(app, "GET", "/v1/time", account=None)).content == {"time_ms": 1_700_000_000_000}
    depth = await call(app, "GET", "/v1/depth?symbol=ETH-USD&limit=1", account=None)
    assert depth.content == {"symbol": "ETH-USD", "bids": [["2499.50", "0.50000"]], "asks": [["2500.50", "0.50000"]]}


async def test_the_first_order_of_the_readme_is_o_1_and_open() -> None:
    app = demo_exchange(clock=lambda: NOW)
    assert await _posted(app, text()) == (200, {"id": "o-1", "status": "open"})
    assert (await call(app, "GET", "/v1/orders/o-1")).content == {
        "id": "o-1",
        "symbol": "BTC-USD",
        "side": "buy",
        "px": "60000.00",
        "qty": "0.01000",
        "filled": "0.00000",
        "status": "open",
        "created_ms": 1_700_000_000_000,
    }


async def test_a_crossing_order_is_filled_and_the_account_shows_it() -> None:
    app = demo_exchange()
    assert await _posted(app, text(px="61000")) == (200, {"id": "o-1", "status": "filled"})
    account = await call(app, "GET", "/v1/account")
    assert account.content["account"] == "alice"
    assert account.content["balances"]["BTC"] == {"free": "100.01000", "locked": "0.00000"}
    assert account.content["balances"]["USD"] == {"free": "9999394.9000000", "locked": "0.0000000"}
    assert (await call(app, "GET", "/v1/orders/o-1")).content["status"] == "filled"


async def test_a_cancelled_order_is_no_longer_listed() -> None:
    app = demo_exchange()
    await _posted(app, text())
    assert [each["id"] for each in (await call(app, "GET", "/v1/orders")).content["orders"]] == ["o-1"]
    cancelled = await call(app, "DELETE", "/v1/orders/o-1")
    assert (cancelled.status, cancelled.content["status"]) == (200, "cancelled")
    assert (await call(app, "GET", "/v1/orders")).content == {"orders": []}
    assert _no(await call(app, "DELETE", "/v1/orders/o-1")) == (404, "not_open")


async def test_orders_of_another_account_do_not_exist() -> None:
    app = demo_exchange()
    await _posted(app, text())
    assert _no(await call(app, "GET", "/v1/orders/o-1", account="bob")) == (404, "unknown_order")
    assert _no(await call(app, "DELETE", "/v1/orders/o-1", account="bob")) == (404, "not_open")
    assert (await call(app, "GET", "/v1/orders", account="bob")).content == {"orders": []}


@pytest.mark.parametrize("target", ["/v1/account", "/v1/orders", "/v1/orders/o-1"])
async def test_without_one_identity_there_is_no_account(target: str) -> None:
    app = demo_exchange()
    for account, fields in ((None, ()), ("", ()), ("alice", ((b"guard-account", b"bob"),))):
        assert _no(await call(app, "GET", target, account=account, fields=fields)) == (401, "no_identity")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "bad_request"),
        (b"[]", 400, "bad_request"),
        (b"\xff", 400, "bad_request"),
        (b"[" * 60_000, 400, "bad_request"),
        (text().replace(b'"buy"', b'"buy", "side": "sell"'), 400, "bad_request"),
        (text(side="hold"), 400, "bad_request"),
        (text(extra=1), 400, "bad_request"),
        (text(qty=0.01), 400, "bad_request"),
        (text(qty="0"), 400, "bad_request"),
        (text(qty="0.000001"), 400, "bad_request"),
        (text(px="-1"), 400, "bad_request"),
        (text(px="0.001"), 400, "bad_request"),
        (text(symbol="DOGE-USD"), 400, "unknown_symbol"),
        (text(qty="100000"), 422, "insufficient_balance"),
    ],
)
async def test_a_body_that_is_no_order_places_none(body: bytes, status: int, code: str) -> None:
    app = demo_exchange()
    assert _no(await call(app, "POST", "/v1/orders", body=body)) == (status, code)
    assert (await call(app, "GET", "/v1/orders")).content == {"orders": []}


@pytest.mark.parametrize(
    "query",
    ["", "?symbol=X", "?symbol=BTC-USD&limit=0", "?symbol=BTC-USD&limit=101", "?symbol=BTC-USD&limit=1_0"],
)
async def test_a_book_is_asked_for_by_symbol_and_a_small_limit(query: str) -> None:
    assert (await call(demo_exchange(), "GET", "/v1/depth" + query)).status == 400


@pytest.mark.parametrize("query", ["?symbol=BTC-USD&symbol=ETH-USD", "?symbol=BTC-USD&depth=1", "?&", "?symbol=%ff"])
async def test_a_query_that_can_be_read_in_two_ways_is_refused(query: str) -> None:
    assert _no(await call(demo_exchange(), "GET", "/v1/depth" + query)) == (400, "bad_request")


@pytest.mark.parametrize("order_id", ["1", "o-0", "o-01", "o--1", "o-1x", "O-1", "o-9999999999999999999", "o-"])
async def test_only_ids_as_they_were_given_out_name_orders(order_id: str) -> None:
    app = demo_exchange()
    await _posted(app, text())
    assert (await call(app, "GET", f"/v1/orders/{order_id}")).status == 404
    assert (await call(app, "DELETE", f"/v1/orders/{order_id}")).status == 404


async def test_a_full_demo_says_so_on_every_private_path() -> None:
    app = demo_exchange(accounts_max=1)
    await _posted(app, text())
    calls = [("GET", "/v1/account"), ("GET", "/v1/orders"), ("GET", "/v1/orders/o-1"), ("DELETE", "/v1/orders/o-1")]
    for method, target in calls:
        assert _no(await call(app, method, target, account="bob")) == (503, "too_many_accounts")


@given(st.binary(max_size=200), st.text(max_size=40), st.sampled_from(NATIVE.endpoints))
def test_rubbish_is_refused_and_never_crashes(body: bytes, query: str, endpoint: object) -> None:
    act = endpoint.act  # type: ignore[attr-defined]
    content = act(Exchange(), Call(account="alice", path={"id": query}, query=query, body=body, now=NOW))
    if isinstance(content, Refusal):
        assert NATIVE.refuse(content).status >= 400


async def _posted(app: object, body: bytes) -> tuple[int, object]:
    answered = await call(app, "POST", "/v1/orders", body=body)  # type: ignore[arg-type]
    return answered.status, answered.content


def _no(answered: Answered) -> tuple[int, str]:
    return answered.status, answered.content["error"]["code"]
