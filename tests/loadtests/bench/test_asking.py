"""The client of one's own, against scripted answers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import StreamRequestHandler, ThreadingTCPServer

from loadtests.bench.asking import ask

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_NO = b"HTTP/1.1 401 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@contextmanager
def _server(answers: dict[bytes, bytes], seen: list[bytes]) -> Iterator[int]:
    """Answers each line with what is scripted for it; closes where the answer says so."""

    class Scripted(StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                seen.append(line)
                self.wfile.write(answers[line])
                if b"close" in answers[line]:
                    return

    with ThreadingTCPServer(("127.0.0.1", 0), Scripted) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            serving.join()


def test_each_request_is_sent_once_and_refusals_are_counted() -> None:
    """A connection that is announced to close is made anew."""
    seen: list[bytes] = []
    requests = [b"good\n", b"bad\n"] * 10
    with _server({b"good\n": _OK, b"bad\n": _NO}, seen) as port:
        asked = ask(port, requests, seconds=5, connections=3)
    assert sorted(seen) == sorted(requests)
    assert (len(asked.latencies_ms), asked.refused) == (20, 10)


def test_it_ends_when_the_time_is_over() -> None:
    with _server({b"good\n": _OK}, []) as port:
        assert ask(port, [b"good\n"] * 10, seconds=0, connections=1).latencies_ms == []
