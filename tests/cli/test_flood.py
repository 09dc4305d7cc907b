import json
import threading
import time
from pathlib import Path

import pytest

from guard.cli.flood import ORDER, Tally
from guard.cli.sending import Answer
from tests.cli.recorder import Recorder, body_of, field_of, guard, head_of, refusal, response


class Limited:
    """Answers the first `room` orders 200 and the rest 429; cancels are always 200."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._lock = threading.Lock()

    def __call__(self, request: bytes) -> bytes:
        if request.startswith(b"DELETE"):
            return response(200, b'{"status":"cancelled"}')
        with self._lock:
            self._room -= 1
            if self._room >= 0:
                return response(200, b'{"id":"o-7","status":"open"}')
        return refusal(429, "limit.key", "Retry-After: 1")


def test_every_answer_is_counted_and_the_first_429_is_named(recorder: Recorder, tmp_path: Path) -> None:
    recorder.answer = Limited(40)
    result = guard(tmp_path, "flood", "POST", "/v1/orders", "-n", "200", "-c", "1", "--base-url", recorder.url)
    cancelled = "DELETE /v1/orders/o-7 during the flood → 200 (cancels have their own bucket)"
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "  200  40 " + "█" * 11,
        "  429 160 " + "█" * 44 + "   limit.key 160",
        f"  first 429 after 40 requests; Retry-After 1; {cancelled}",
        "  next: guard curl GET /v1/orders    (what the flood left open)",
    ]


def test_the_first_429_is_the_first_that_was_sent_not_the_first_that_was_answered() -> None:
    tally = Tally(4)
    assert [tally.take() for _ in range(5)] == [0, 1, 2, 3, None]
    for place, status in ((3, 429), (1, 429), (2, 429), (0, 200)):
        fields = (("Retry-After", str(place)),)
        tally.add(place, Answer(status=status, phrase="", fields=fields, body=b"", elapsed_us=0))
    assert (tally.first_429_after, tally.retry_after, dict(tally.answers)) == (1, "1", {429: 3, 200: 1})


def test_a_flood_that_is_refused_from_the_start_says_so(recorder: Recorder, tmp_path: Path) -> None:
    recorder.answer = lambda _: refusal(429, "limit.key")
    result = guard(tmp_path, "flood", "GET", "/x", "-n", "3", "-c", "1", "--base-url", recorder.url)
    assert "  first 429 after 0 requests" in result.stdout.splitlines()


def test_many_connections_send_exactly_as_many_requests_each_signed_anew(recorder: Recorder, tmp_path: Path) -> None:
    recorder.answer = Limited(40)
    words = ("flood", "POST", "/v1/orders", "-n", "200", "-c", "20", "--base-url", recorder.url, "--json")
    counts = json.loads(guard(tmp_path, *words).stdout)
    orders = [request for request in recorder.requests if request.startswith(b"POST")]
    assert counts["answers"] == {"200": 40, "429": 160}
    assert counts["reasons"] == {"limit.key": 160}
    assert counts["cancel"] == {"target": "/v1/orders/o-7", "status": 200, "during": True}
    assert (len(orders), len(recorder.requests)) == (200, 201)
    assert len({field_of(request, b"guard-nonce") for request in recorder.requests}) == 201
    assert {body_of(request) for request in orders} == {ORDER.encode()}


def test_without_a_429_the_cancel_comes_after_the_flood(recorder: Recorder, tmp_path: Path) -> None:
    recorder.answer = Limited(10)
    result = guard(tmp_path, "flood", "POST", "/v1/orders", "-n", "5", "-c", "2", "--base-url", recorder.url)
    assert "  no 429; DELETE /v1/orders/o-7 after the flood → 200" in result.stdout.splitlines()
    assert head_of(recorder.requests[-1])[0] == b"DELETE /v1/orders/o-7 HTTP/1.1"


def test_a_late_cancel_waits_for_the_last_answer(recorder: Recorder, tmp_path: Path) -> None:
    """Of three orders the last is answered slowly, while the other worker has nothing left to send."""
    answered: list[bytes] = []

    def answer(request: bytes) -> bytes:
        if request.startswith(b"POST") and len([each for each in recorder.requests if each.startswith(b"POST")]) == 3:
            time.sleep(0.3)
        answered.append(request.partition(b" ")[0])
        return response(200, b'{"id":"o-7"}')

    recorder.answer = answer
    guard(tmp_path, "flood", "POST", "/v1/orders", "-n", "3", "-c", "2", "--base-url", recorder.url)
    assert answered == [b"POST", b"POST", b"POST", b"DELETE"]


def test_a_refused_cancel_is_not_praised(recorder: Recorder, tmp_path: Path) -> None:
    limited = Limited(2)
    recorder.answer = lambda request: refusal(429, "limit.x") if request.startswith(b"DELETE") else limited(request)
    result = guard(tmp_path, "flood", "POST", "/v1/orders", "-n", "5", "-c", "1", "--base-url", recorder.url)
    assert "during the flood → 429\n" in result.stdout


def test_other_paths_and_bodies_are_flooded_without_a_cancel(recorder: Recorder, tmp_path: Path) -> None:
    guard(tmp_path, "flood", "PUT", "/x?y", "-n", "3", "-c", "9", "-d", "mine", "--base-url", recorder.url)
    assert [head_of(request)[0] for request in recorder.requests] == [b"PUT /x?y HTTP/1.1"] * 3
    assert {body_of(request) for request in recorder.requests} == {b"mine"}


@pytest.mark.parametrize("answer", [response(200, b"no order"), response(200, b'{"id":7}'), response(200, b"{}")])
def test_without_an_order_there_is_nothing_to_cancel(recorder: Recorder, tmp_path: Path, answer: bytes) -> None:
    recorder.answer = lambda _: answer
    result = guard(tmp_path, "flood", "POST", "/v1/orders", "-n", "3", "--base-url", recorder.url)
    assert result.exit_code == 0
    assert len(recorder.requests) == 3
    assert "no 429" in result.stdout


def test_requests_without_an_answer_are_counted_as_such(recorder: Recorder, tmp_path: Path) -> None:
    recorder.answer = lambda _: response(200) if len(recorder.requests) == 1 else b""
    result = guard(tmp_path, "flood", "GET", "/x", "-n", "5", "-c", "1", "--base-url", recorder.url)
    assert result.stdout.splitlines()[:2] == ["  no answer 4 " + "█" * 44, "  200 1 " + "█" * 11]


def test_connections_are_kept(recorder: Recorder, tmp_path: Path) -> None:
    """The server sees each connection's thread once."""
    threads = set()

    def answer(_: bytes) -> bytes:
        threads.add(threading.get_ident())
        return response(200)

    recorder.answer = answer
    guard(tmp_path, "flood", "GET", "/x", "-n", "50", "-c", "2", "--base-url", recorder.url)
    assert len(threads) <= 3


@pytest.mark.parametrize(
    "url", ["http://192.0.2.1", "http://example.invalid", "http://0.0.0.0:8080", "http://[::]:8080"]
)
def test_only_this_machine_is_flooded(tmp_path: Path, url: str) -> None:
    result = guard(tmp_path, "flood", "GET", "/x", "--base-url", url)
    assert result.exit_code == 2
    assert "is not this machine" in " ".join(result.stderr.split())


def test_no_gateway_says_how_to_start_one(tmp_path: Path) -> None:
    result = guard(tmp_path, "flood", "GET", "/x", "--base-url", "http://127.0.0.1:1")
    assert (result.exit_code, result.stderr) == (
        7,
        "guard: no gateway at http://127.0.0.1:1: start one with `guard dev`\n",
    )


@pytest.mark.parametrize("words", [("-n", "0"), ("-n", "100001"), ("-c", "0"), ("-c", "257")])
def test_a_flood_is_bounded(recorder: Recorder, tmp_path: Path, words: tuple[str, str]) -> None:
    assert guard(tmp_path, "flood", "GET", "/x", *words, "--base-url", recorder.url).exit_code == 2
    assert recorder.requests == []
