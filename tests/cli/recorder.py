"""A tiny threaded HTTP server that keeps every request as the bytes that arrived, and answers from a function.

After an empty answer, or one that says `Connection: close`, it hangs up.
"""

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from typing import Any

from typer.testing import CliRunner, Result

from guard.cli.main import app

KEY_ID, SECRET = "k_test", "s3cret"


class Recorder:
    """`requests` holds what arrived, in that order. `answer` is called with each and returns the whole response."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[bytes] = []
        self.answer: Callable[[bytes], bytes] = lambda _: response(200, b'{"ok":true}')


def response(status: int, body: bytes = b"", *fields: str, phrase: str = "Phrase") -> bytes:
    lines = [f"HTTP/1.1 {status} {phrase}", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(lines).encode() + body


def refusal(status: int, code: str, *fields: str, **members: Any) -> bytes:
    problem = {
        "type": f"urn:guard:problem:{code}",
        "title": "No",
        "status": status,
        "code": code,
        "request_id": "req_1",
    }
    owned = (f"Guard-Reason: {code}", "Guard-Request-Id: req_1", "Content-Type: application/problem+json")
    return response(status, json.dumps(problem | members).encode(), *owned, *fields)


@contextmanager
def recording() -> Iterator[Recorder]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while request := _request(self.rfile):
                recorder.requests.append(request)
                answer = recorder.answer(request)
                self.wfile.write(answer)
                if not answer or b"Connection: close\r\n" in answer:
                    return

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 64

    with Server(("127.0.0.1", 0), Handler) as server:
        recorder = Recorder(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield recorder
        finally:
            server.shutdown()
            thread.join()


def guard(home: object, *words: str, key: bool = True, stdin: bytes | None = None, **env: str) -> Result:
    """Runs a command with its home in `home`, and with the test key in the environment."""
    ours = {"GUARD_HOME": str(home), "GUARD_KEY_ID": KEY_ID if key else "", "GUARD_KEY_SECRET": SECRET if key else ""}
    return CliRunner().invoke(app, list(words), env={**ours, **env}, input=stdin)


def head_of(request: bytes) -> list[bytes]:
    return request.partition(b"\r\n\r\n")[0].split(b"\r\n")


def body_of(request: bytes) -> bytes:
    return request.partition(b"\r\n\r\n")[2]


def field_of(request: bytes, name: bytes) -> bytes | None:
    found = [line.partition(b": ")[2] for line in head_of(request)[1:] if line.lower().startswith(name.lower() + b":")]
    assert len(found) <= 1
    return found[0] if found else None


def _request(rfile: BufferedIOBase) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = rfile.readline()
        if not line:
            return b""
        head += line
    length = field_of(head, b"content-length")
    return head + rfile.read(int(length or 0))
