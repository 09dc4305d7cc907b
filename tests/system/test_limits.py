"""Limits count exactly, also under concurrency (BYPASSES.md A44; THREATS.md L1, L3-L5). L2 is in test_client_address.

A bucket holds at first what refill since the gateway's start allows: the tests begin when all of them are full.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from tests.system.gateway import RunningGateway
from tests.system.key_holder import Key, minted, signed
from tests.system.raw_http import Connection, Response, message

pytestmark = pytest.mark.system

_HOST = b"limited.test"
_NUMBERS = count(1)


@pytest.fixture(scope="module", autouse=True)
def _full(gateway: RunningGateway) -> None:
    """The slowest bucket takes 2 s to fill."""
    gateway.assert_alive()
    time.sleep(2.1)


def _new_keys(gateway: RunningGateway, number: int = 1, account: str | None = None) -> list[Key]:
    """Keys whose buckets nobody has touched."""
    account = account or f"account-{next(_NUMBERS)}"
    keys = [minted("limited", account=account) for _ in range(number)]
    gateway.import_keys(*keys)
    gateway.wait_until_followed()
    return keys


def _ask(connection: Connection, key: Key, method: str, target: str) -> Response:
    return connection.ask(signed(key, method, target, host=_HOST))


def _members(value: bytes | None) -> dict[str, dict[str, int]]:
    """A list of structured fields with integer parameters, as RateLimit is."""
    assert value is not None
    found = {}
    for member in value.decode().split(", "):
        name, *parameters = member.split(";")
        pairs = (parameter.split("=") for parameter in parameters if "unit" not in parameter)
        found[name.strip('"')] = {key: int(number) for key, number in pairs}
    return found


def test_a44_a_crowd_gets_what_is_there_and_not_one_more(gateway: RunningGateway) -> None:
    """A44: 50 tokens, 25/s, 240 requests on 24 connections: what was admitted is what the backend has."""
    (key,) = _new_keys(gateway)
    contents = [signed(key, "POST", "/crowd", host=_HOST) for _ in range(240)]
    mark, started = len(gateway.backend.record), time.monotonic()

    def share(number: int) -> list[int]:
        with Connection(gateway.port) as connection:
            return [connection.ask(content).status for content in contents[number::24]]

    with ThreadPoolExecutor(24) as pool:
        statuses = [status for part in pool.map(share, range(24)) for status in part]
    elapsed_s = time.monotonic() - started
    assert set(statuses) == {200, 429}
    assert 50 <= statuses.count(200) <= 50 + int(25 * elapsed_s) + 1
    assert len(gateway.backend.since(mark)) == statuses.count(200)


def test_l1_a_burst_then_a_refusal_then_a_refill(gateway: RunningGateway) -> None:
    """L1: capacity 5 at 10/s. Each 429 says when; nothing passes before, and one passes then."""
    (key,) = _new_keys(gateway)
    with Connection(gateway.port) as connection:
        started = time.monotonic()
        answers = [_ask(connection, key, "GET", "/by-key") for _ in range(10)]
        admitted = sum(answer.status == 200 for answer in answers)
        assert [answer.status for answer in answers[:5]] == [200] * 5
        assert admitted <= 5 + int((time.monotonic() - started) * 10) + 1
        refused = answers[-1]
        while refused.status == 200:
            refused = _ask(connection, key, "GET", "/by-key")
        assert refused.code == "limit.key"
        assert refused.value(b"retry-after") == b"1"
        assert 0 < refused.problem["retry_after_ms"] <= 100
        assert refused.problem["violated-policies"] == ["key"]
        time.sleep(refused.problem["retry_after_ms"] / 1000)
        assert _ask(connection, key, "GET", "/by-key").status == 200


def test_l1_waiting_as_told_is_enough_and_less_is_not(gateway: RunningGateway) -> None:
    """Ten times in a row. `less` counts where the answer was back before the wait was over."""
    (key,) = _new_keys(gateway)
    with Connection(gateway.port) as connection:
        for _ in range(10):
            asked_at, refused_at, wait_s = _emptied(connection, key)
            time.sleep(wait_s / 4)
            less = _ask(connection, key, "GET", "/by-key")
            if time.monotonic() < asked_at + wait_s:
                assert less.status == 429
                time.sleep(max(refused_at + wait_s + 0.002 - time.monotonic(), 0))
                assert _ask(connection, key, "GET", "/by-key").status == 200


def _emptied(connection: Connection, key: Key) -> tuple[float, float, float]:
    """Ask until refused: a time before the refusal, one after it, and how long it said to wait."""
    while True:
        asked_at = time.monotonic()
        answer = _ask(connection, key, "GET", "/by-key")
        if answer.status == 429:
            return asked_at, time.monotonic(), answer.problem["retry_after_ms"] / 1000


def test_l3_ten_keys_of_one_account_have_one_accounts_limit(gateway: RunningGateway) -> None:
    """L3: 10 tokens at 5/s for all of them together; another account is not touched."""
    keys, started = _new_keys(gateway, 10), time.monotonic()
    mark = len(gateway.backend.record)
    statuses = []
    with Connection(gateway.port) as connection:
        for number in range(40):
            answer = _ask(connection, keys[number % 10], "GET", "/by-account")
            statuses.append(answer.status)
            assert answer.status == 200 or answer.code == "limit.account"
    assert 10 <= statuses.count(200) <= 10 + int((time.monotonic() - started) * 5) + 1
    assert len(gateway.backend.since(mark)) == statuses.count(200)
    (stranger,) = _new_keys(gateway)
    assert gateway.ask(signed(stranger, "GET", "/by-account", host=_HOST)).status == 200


def test_l4_weights_are_the_policys(gateway: RunningGateway) -> None:
    """L4: 25 tokens, a heavy request takes ten; what the client says of costs counts for nothing."""
    (key,) = _new_keys(gateway)
    with Connection(gateway.port) as connection:
        first = _ask(connection, key, "GET", "/heavy")
        left = _members(first.value(b"ratelimit"))["weight"]["r"]
        assert 15 <= left <= 16
        for name in (b"Guard-Cost", b"X-Cost", b"Cost", b"X-Weight"):
            content = signed(key, "GET", "/heavy", host=_HOST, extra=[(name, b"0")])
            answer = connection.ask(content)
            if answer.status == 200:
                continue
            assert answer.code == "limit.weight"
            assert 0 < answer.problem["retry_after_ms"] <= 500
            break
        else:
            pytest.fail("five heavy requests at once cost less than 50 tokens")
        assert _ask(connection, key, "GET", "/light").status == 200, "one token is less than ten"


def test_l5_the_fields_say_what_is_true(gateway: RunningGateway) -> None:
    """L5: parsed from each answer, `r` never promises more than the next requests get, and never exceeds `q`."""
    (key,) = _new_keys(gateway)
    with Connection(gateway.port) as connection:
        for _ in range(40):
            asked = time.monotonic()
            answer = _ask(connection, key, "GET", "/by-key")
            policy = _members(answer.value(b"ratelimit-policy"))["key"]
            room = _members(answer.value(b"ratelimit"))["key"]
            assert policy == {"q": 5, "w": 1}
            assert 0 <= room["r"] <= 5
            assert room.get("t", 1) == 1
            if answer.status == 200 and room["r"]:
                assert _ask(connection, key, "GET", "/by-key").status == 200, "what was promised"
            assert time.monotonic() - asked < 5
            time.sleep(0.01)


def test_a_refusal_takes_no_token_and_a_captured_429_cannot_be_sent_later(gateway: RunningGateway) -> None:
    """Replays, forgeries and refused scopes cost the key nothing; an order refused for its limit is burnt."""
    (key,) = _new_keys(gateway)
    good = signed(key, "POST", "/slow", host=_HOST)
    with Connection(gateway.port) as connection:
        assert connection.ask(good).status == 200
        for _ in range(20):
            assert connection.ask(good).code == "auth.replayed"
        forged = signed(Key(key.id, b"another secret"), "POST", "/slow", host=_HOST)
        for _ in range(20):
            assert connection.ask(forged).code == "auth.invalid"
        assert _ask(connection, key, "POST", "/slow").status == 200, "the second of two tokens is still there"
        statuses: list[int] = []
        while (captured := signed(key, "POST", "/slow", host=_HOST)) and not statuses.count(429):
            statuses.append(connection.ask(captured).status)
            refused = captured
        time.sleep(1.1)
        assert connection.ask(refused).code == "auth.replayed"
        assert _ask(connection, key, "POST", "/slow").status == 200


def test_a44_who_has_no_key_has_no_unlimited_bucket(gateway: RunningGateway) -> None:
    """A44: a limit by address counts every address, and an open route has no way around it."""
    content = message("GET", "/open", [(b"Host", b"addressed.test")])
    started = time.monotonic()
    statuses = [gateway.ask(content, source="127.0.2.1").status for _ in range(20)]
    assert statuses[:5] == [200] * 5
    assert statuses.count(200) <= 5 + int((time.monotonic() - started) * 5) + 1
