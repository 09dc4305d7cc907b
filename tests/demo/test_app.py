import time

import pytest

from guard.demo.app import demo_exchange
from tests.demo.calling import call


@pytest.mark.parametrize(("target", "name"), [("/v1/nothing", "error"), ("/api/v3/nothing", "msg"), ("/", "error")])
async def test_an_unknown_path_is_refused_in_the_dialect_of_its_prefix(target: str, name: str) -> None:
    answered = await call(demo_exchange(), "GET", target)
    assert answered.status == 404
    assert name in answered.content


@pytest.mark.parametrize(("target", "name"), [("/v1/orders", "error"), ("/api/v3/order", "msg")])
async def test_another_method_is_refused_in_the_dialect_of_its_prefix(target: str, name: str) -> None:
    answered = await call(demo_exchange(), "PATCH", target)
    assert answered.status == 405
    assert name in answered.content


@pytest.mark.parametrize(("target", "name"), [("/v1/account", "error"), ("/api/v3/account", "msg")])
async def test_without_an_account_a_private_path_is_refused(target: str, name: str) -> None:
    answered = await call(demo_exchange(), "GET", target, account=None)
    assert answered.status == 401
    assert name in answered.content


async def test_a_trailing_slash_is_another_path_and_no_redirect() -> None:
    assert (await call(demo_exchange(), "GET", "/v1/orders/")).status == 404


async def test_a_host_that_is_none_crashes_nothing() -> None:
    assert (await call(demo_exchange(), "GET", "/v1/time", fields=((b"host", b"["),))).status == 200


async def test_every_exchange_starts_empty_and_tells_the_wall_clock() -> None:
    first, second = demo_exchange(), demo_exchange()
    body = b'{"symbol":"BTC-USD","side":"buy","qty":"0.01","px":"60000"}'
    await call(first, "POST", "/v1/orders", body=body)
    assert (await call(second, "GET", "/v1/orders")).content == {"orders": []}
    assert abs((await call(first, "GET", "/v1/time")).content["time_ms"] - time.time() * 1000) < 60_000
