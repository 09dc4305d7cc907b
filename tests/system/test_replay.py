"""A signed request counts once (BYPASSES.md A34, A36; THREATS.md R1-R3, R5)."""

import hmac
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from guard.model.keys import KeyAlgorithm
from tests.system.gateway import RunningGateway, running_gateway
from tests.system.key_holder import Key, changed, new_nonce, signed, signed_fields, wall_ms
from tests.system.raw_http import message
from tests.system.recording_backend import RecordingBackend

pytestmark = pytest.mark.system

_BODY = b'{"qty":1}'


def test_r1_a_replay_is_refused_now_and_later(gateway: RunningGateway) -> None:
    content = gateway.signed("POST", "/v1/orders", _BODY)
    gateway.assert_forwarded(content)
    response = gateway.assert_refused(content, 401, "auth.replayed")
    assert "accepted" in response.problem["detail"]
    time.sleep(1)
    gateway.assert_refused(content, 401, "auth.replayed")


def test_r1_of_many_copies_at_once_one_passes(gateway: RunningGateway) -> None:
    """64 copies on 16 connections; I2: a signed request reaches the backend at most once."""
    for method, target, body in (("POST", "/v1/orders", _BODY), ("GET", "/v1/orders", b"")):
        content = gateway.signed(method, target, body)
        mark = len(gateway.backend.record)
        with ThreadPoolExecutor(16) as pool:
            statuses = [response.status for response in pool.map(gateway.ask, [content] * 64)]
        assert (statuses.count(200), statuses.count(401)) == (1, 63)
        assert len(gateway.backend.since(mark)) == 1


def test_r1_another_spelling_of_a_replay_is_a_replay(gateway: RunningGateway) -> None:
    """More fields, another order and case of names, chunks in place of a length: the same request."""
    fields = signed_fields(gateway.keys["trader"], "POST", "/v1/orders", _BODY)
    gateway.assert_forwarded(message("POST", "/v1/orders", fields, _BODY))
    shuffled = [(b"X-New", b"1"), *((name.upper(), value) for name, value in reversed(fields))]
    gateway.assert_refused(message("POST", "/v1/orders", shuffled, _BODY), 401, "auth.replayed")
    coded = [*fields, (b"Transfer-Encoding", b"chunked")]
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(_BODY), _BODY)
    gateway.assert_refused(message("POST", "/v1/orders", coded, chunks), 401, "auth.replayed")


def test_r1_a_nonce_counts_once_whatever_is_signed_with_it(gateway: RunningGateway) -> None:
    nonce = new_nonce()
    gateway.assert_forwarded(gateway.signed("POST", "/v1/orders", _BODY, nonce=nonce))
    gateway.assert_refused(gateway.signed("POST", "/v1/orders", b"{}", nonce=nonce), 401, "auth.replayed")
    gateway.assert_refused(gateway.signed("DELETE", "/v1/orders/7", nonce=nonce), 401, "auth.replayed")
    gateway.assert_refused(gateway.signed("GET", "/v1/orders", nonce=nonce), 401, "auth.replayed")


def test_a34_a_nonce_belongs_to_its_key(gateway: RunningGateway) -> None:
    """A34, R2: the same nonce and time under another key, of the same account and of another."""
    nonce, at = new_nonce(), wall_ms()
    for name in ("trader", "rival", "ed25519"):
        gateway.assert_forwarded(gateway.signed("POST", "/v1/orders", _BODY, nonce=nonce, at=at, key=name))
    gateway.assert_refused(gateway.signed("POST", "/v1/orders", _BODY, nonce=nonce, at=at), 401, "auth.replayed")


def test_a34_a_forger_burns_nobodys_nonce(gateway: RunningGateway) -> None:
    """Nor does a request that its key may not make, or that is too large."""
    nonce = new_nonce()
    fields = signed_fields(gateway.keys["trader"], "POST", "/v1/orders", _BODY, nonce=nonce)
    forged = changed(fields, b"Guard-Signature", b"A" * 43 + b"=")
    gateway.assert_refused(message("POST", "/v1/orders", forged, _BODY), 401, "auth.invalid")
    gateway.assert_refused(gateway.signed("POST", "/v1/withdrawals", _BODY, nonce=nonce), 403, "authz.scope")
    gateway.assert_refused(message("POST", "/v1/orders", fields, _BODY[:-1] + b"2"), 401, "auth.invalid")
    gateway.assert_forwarded(message("POST", "/v1/orders", fields, _BODY))


def test_a34_nothing_is_forgotten_before_its_window_ends(gateway: RunningGateway) -> None:
    """A route with a window of a second: replayed at every age, then stale, and never 200 again."""
    content = gateway.signed("POST", "/v1/quick", _BODY)
    gateway.assert_forwarded(content)
    codes: list[str] = []
    end = time.monotonic() + 2.0
    with gateway.nothing_forwarded():
        while time.monotonic() < end:
            response = gateway.ask(content)
            codes.append(str(response.code))
            assert response.status == 401
            time.sleep(0.005)
    assert codes[0] == "auth.replayed"
    assert codes[-1] == "auth.stale"
    assert codes == sorted(codes), "once stale, always stale"


def test_a34_a_narrow_window_forgets_no_earlier_than_the_widest(gateway: RunningGateway) -> None:
    """Accepted where the window is a second; replayed where it is 5 s, when the first has passed."""
    nonce, at = new_nonce(), wall_ms()
    gateway.assert_forwarded(gateway.signed("POST", "/v1/quick", _BODY, nonce=nonce, at=at))
    time.sleep(1.4)
    gateway.assert_refused(gateway.signed("POST", "/v1/orders", _BODY, nonce=nonce, at=at), 401, "auth.replayed")


@pytest.mark.parametrize(
    "nonce",
    [
        *(b"n", b"n" * 21, b"n" * 65, b"n" * 16_000, b"n" * 21 + b"+", b"n" * 21 + b"=", b"n" * 22 + b" n", b"n|" * 12),
        *(
            b"n" * 21 + b"\t",
            b"n" * 22 + b"\x00",
            b"n" * 22 + "é".encode(),
            b'"' + b"n" * 22 + b'"',
            b"n" * 21 + b"%0a",
        ),
    ],
    ids=range(13),
)
def test_r5_a_nonce_has_one_form(gateway: RunningGateway, nonce: bytes) -> None:
    fields = changed(signed_fields(gateway.keys["trader"], "POST", "/v1/orders", _BODY), b"Guard-Nonce", nonce)
    with gateway.nothing_forwarded():
        response = gateway.ask(message("POST", "/v1/orders", fields, _BODY))
        assert (response.status, response.code) in [(401, "auth.malformed"), (400, "request.malformed")]


def test_a36_no_separator_joins_two_subjects_into_one(gateway: RunningGateway) -> None:
    """A36: key + nonce, key + account and id + secret whose joined texts are equal are still two."""
    keys = {
        "long": Key(id="col-aaaa_b", secret=b"secret-of-long", account="x"),
        "short": Key(id="col", secret=b"secret-of-short", account="b:x"),
        "pair 1": Key(id="p:q", secret=b"secret-1", account="r"),
        "pair 2": Key(id="p", secret=b"secret-2", account="q:r"),
        "pair 3": Key(id="p/q", secret=b"secret-3", account="key/r"),
        "dotted": Key(id="a.b", secret=b"c", algorithm=KeyAlgorithm.API_KEY, scopes=("read",)),
        "plain": Key(id="a", secret=b"b-c", algorithm=KeyAlgorithm.API_KEY, scopes=("read",)),
    }
    gateway.import_keys(*keys.values())
    gateway.wait_until_followed()
    at, tail = wall_ms(), "n" * 22
    gateway.assert_forwarded(signed(keys["long"], "POST", "/v1/orders", _BODY, nonce=tail, at=at))
    gateway.assert_forwarded(signed(keys["short"], "POST", "/v1/orders", _BODY, nonce=f"aaaa_b{tail}", at=at))
    gateway.assert_forwarded(signed(keys["short"], "POST", "/v1/orders", _BODY, nonce=f"-aaaa_b{tail}", at=at))
    time.sleep(1.2)  # until the buckets of the pairs, 2 tokens at 1/s, hold something
    for name in ("pair 1", "pair 2", "pair 3"):
        statuses = [gateway.ask(signed(keys[name], "GET", "/pair", host=b"limited.test")).status for _ in range(4)]
        assert statuses[0] == 200
        assert 429 in statuses, "each has a bucket, and its own"
    for credential, status in ((b"a.b.c", 200), (b"a.b-c", 200), (b"a.b.b-c", 401), (b"a.c", 401), (b"a-b.c", 401)):
        fields = [(b"Host", b"gateway.test"), (b"Guard-Api-Key", credential)]
        assert gateway.ask(message("GET", "/v1/prices", fields)).status == status


def test_without_a_nonce_reads_repeat_and_orders_do_not(gateway: RunningGateway) -> None:
    """SIGNING.md 9.4, binance: a read may come again inside its window, an order never; nor under another path."""
    key = gateway.keys["binance"]
    fields = [(b"Host", b"gateway.test"), (b"X-MBX-APIKEY", key.id.encode())]

    def target(path: str) -> str:
        query = f"symbol=BTC&timestamp={wall_ms()}"
        return f"{path}?{query}&signature={hmac.new(key.secret, query.encode(), 'sha256').hexdigest()}"

    read = target("/api/v3/order")
    for _ in range(3):
        gateway.assert_forwarded(message("GET", read, fields))
    gateway.assert_refused(message("POST", read, fields), 401, "auth.replayed")
    time.sleep(0.01)
    order = target("/api/v3/order")
    gateway.assert_forwarded(message("POST", order, fields))
    gateway.assert_refused(message("POST", order, fields), 401, "auth.replayed")
    gateway.assert_refused(message("GET", order, fields), 401, "auth.replayed")


@pytest.fixture
def own(tmp_path: Path, backend: RecordingBackend) -> Iterator[RunningGateway]:
    with running_gateway(tmp_path / "home", backend) as running:
        yield running


def test_r3_a_restart_does_not_reopen_the_window(own: RunningGateway) -> None:
    """R3, A34: kill -9, and the same home again. What was captured before is stale or replayed, and never 200."""
    captured = [own.signed("POST", "/v1/orders", _BODY) for _ in range(20)]
    ahead = own.signed("POST", "/v1/orders", _BODY, at=wall_ms() + 900)
    for content in (*captured, ahead):
        assert own.ask(content).status == 200
    unused = own.signed("POST", "/v1/orders", _BODY, at=wall_ms() + 500)
    own.kill()
    own.start()
    with own.nothing_forwarded():
        for content in (*captured, ahead, unused):
            response = own.ask(content)
            assert response.status == 401
            assert response.code in ("auth.stale", "auth.replayed")
    while_starting = time.monotonic() + 1.2
    with own.nothing_forwarded():
        while time.monotonic() < while_starting:
            assert own.ask(ahead).status == 401


def test_r3_a_start_is_not_ready_before_it_can_tell_a_replay(own: RunningGateway) -> None:
    """What is sent between the first accepted connection and readiness is refused, signed just now or not."""
    captured = own.signed("POST", "/v1/orders", _BODY)
    assert own.ask(captured).status == 200
    own.kill()
    mark = len(own.backend.record)
    codes = []
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(own.start)
        while not starting.done():
            try:
                codes.append(own.ask(captured).code)
            except OSError:
                time.sleep(0.01)
        starting.result()
    assert codes, "the gateway accepts connections before it is ready"
    assert set(codes) <= {"auth.stale", "auth.replayed"}
    assert [each for each in own.backend.since(mark) if each.method == "POST"] == []
