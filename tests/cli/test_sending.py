import socket
import threading
import time
from collections.abc import Callable

import pytest

from guard.cli import sending
from guard.cli.credentials import gateway_at
from guard.cli.sending import Answer, Connection, Unreachable, ask_once
from tests.cli.recorder import Recorder, response

CONTENT = b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n"


def test_an_answer_is_read_whole(recorder: Recorder) -> None:
    recorder.answer = lambda _: response(201, b"\x00\xff", "X-A: 1", "x-a: 2", phrase="Made so")
    answer = ask_once(gateway_at(recorder.url), CONTENT, "GET")
    assert (answer.status, answer.phrase, answer.body) == (201, "Made so", b"\x00\xff")
    assert answer.fields == (("Content-Length", "2"), ("X-A", "1"), ("x-a", "2"))
    assert (answer.field("X-a"), answer.field("x-b")) == ("1", None)
    assert 0 < answer.elapsed_us < 10_000_000


def test_a_head_has_no_body_and_a_continue_is_skipped(recorder: Recorder) -> None:
    recorder.answer = lambda _: b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
    assert ask_once(gateway_at(recorder.url), b"HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n", "HEAD").status == 200


def test_a_connection_is_used_again_until_the_gateway_closes_it(recorder: Recorder) -> None:
    threads: list[int] = []

    def answer(_: bytes) -> bytes:
        threads.append(threading.get_ident())
        return response(200, b"", "Connection: close") if len(threads) == 2 else response(200)

    recorder.answer = answer
    connection = Connection(gateway_at(recorder.url))
    for _ in range(3):
        assert connection.ask(CONTENT, "GET").status == 200
    assert connection._socket is not None
    connection.close()
    connection.close()
    assert threads[0] == threads[1]
    assert recorder.requests == [CONTENT] * 3


def test_nothing_is_sent_twice_when_the_gateway_hangs_up(recorder: Recorder) -> None:
    recorder.answer = lambda _: b""
    connection = Connection(gateway_at(recorder.url))
    with pytest.raises(Unreachable, match="broke off"):
        connection.ask(CONTENT, "GET")
    assert recorder.requests == [CONTENT]
    recorder.answer = lambda _: response(200)
    assert connection.ask(CONTENT, "GET").status == 200
    connection.close()


def test_a_body_over_the_cap_is_cut_and_the_connection_with_it(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "BODY_BYTES_MAX", 4)
    recorder.answer = lambda _: response(200, b"123456")
    connection = Connection(gateway_at(recorder.url))
    assert connection.ask(CONTENT, "GET").body == b"1234"
    assert connection._socket is None


def test_a_body_that_ends_early_is_no_answer(recorder: Recorder) -> None:
    recorder.answer = lambda _: b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n123"
    with pytest.raises(Unreachable, match="broke off"):
        ask_once(gateway_at(recorder.url), CONTENT, "GET")


def test_a_gateway_that_says_nothing_is_left(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "ANSWER_S", 0.05)
    recorder.answer = _late
    with pytest.raises(Unreachable, match="did not answer in time"):
        ask_once(gateway_at(recorder.url), CONTENT, "GET")


def test_nobody_there_says_how_to_start_a_gateway() -> None:
    with pytest.raises(Unreachable, match="start one with `guard dev`"):
        ask_once(gateway_at("http://127.0.0.1:1"), CONTENT, "GET")


def test_a_secure_gateway_is_spoken_to_in_tls(recorder: Recorder) -> None:
    """The recorder speaks none: it sees a ClientHello (RFC 8446 §4.1.2) and no request."""
    hello: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_first_bytes, args=(listener, hello.append))
        thread.start()
        with pytest.raises(Unreachable):
            ask_once(gateway_at(f"https://127.0.0.1:{listener.getsockname()[1]}"), CONTENT, "GET")
        thread.join()
    assert hello[0][:2] == b"\x16\x03"
    assert recorder.requests == []


def test_fields_are_found_in_any_case() -> None:
    answer = Answer(status=200, phrase="", fields=(("RateLimit", "x"),), body=b"", elapsed_us=0)
    assert answer.field("ratelimit") == "x"


def _late(_: bytes) -> bytes:
    time.sleep(0.2)
    return b""


def _first_bytes(listener: socket.socket, keep: Callable[[bytes], None]) -> None:
    accepted, _ = listener.accept()
    keep(accepted.recv(100))
    accepted.close()
