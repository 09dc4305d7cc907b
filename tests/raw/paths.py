"""The public corpora of paths (../shared/vectors/public/paths) over the socket: spellings of a protected path,
traversals, tables of normalisers. Nobody may reach `/admin/keys` without a key, and no backend, however helpful, may
resolve what it gets to another path than the one that was asked for.
"""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from tests.system.raw_http import Connection, message
from tests.system.recording_backend import Received, RecordingBackend
from tests.wire.test_path import paranoid, plainly_decoded

FILES = ("bypass", "fuzzdb", "normalisation_tables")
POLICY_ROUTES = """match: {hosts: [gateway.test]}
routes:
  ANY /: {auth: none}
  ANY /{rest...}: {auth: none}
  ANY /admin/keys: {}
"""

_HOST = (b"Host", b"gateway.test")
_CLOSE = (b"Connection", b"close")
_NEVER_2XX = (400, 401, 403, 404, 405)
_PATIENCE_S = 3.0


class Row(NamedTuple):
    """One message, and whether any 2xx answer is a failure."""

    name: str
    content: bytes
    never_2xx: bool = False


def outcomes(port: int, backend: RecordingBackend, corpora: Path, file: str) -> dict[str, str]:
    """By every row's name: `ok`, or what was wrong with it."""
    content = json.loads((corpora / f"{file}.json").read_text())
    told: dict[str, str] = {}
    for row in _ROWS[file](content):
        name, count = row.name, 1
        while name in told:
            count += 1
            name = f"{row.name} #{count}"
        told[name] = _outcome(port, backend, row)
    return told


def _outcome(port: int, backend: RecordingBackend, row: Row) -> str:
    mark = len(backend.record)
    status = _status(port, row.content)
    faults = [fault for received in backend.since(mark) if (fault := _fault(received))]
    if row.never_2xx and status not in _NEVER_2XX:
        faults.append(f"status {status}")
    if status is None or status >= 500:
        faults.append(f"status {status}")
    mark = len(backend.record)
    if _status(port, message("GET", "/canary", [_HOST, _CLOSE])) != 200 or len(backend.since(mark)) != 1:
        faults.append("the next request was not served")
    return f"FAIL {'; '.join(dict.fromkeys(faults))}" if faults else "ok"


def _status(port: int, content: bytes) -> int | None:
    """The status of the first answer, None if there is none. The client says that it sends no more."""
    with Connection(port, timeout_s=_PATIENCE_S) as connection, suppress(OSError):
        connection.send(content)
        connection.socket.shutdown(1)
        return connection.response(head=content.startswith(b"HEAD ")).status
    return None


def _fault(received: Received) -> str | None:
    """What is wrong with a request that has come to the backend."""
    path = received.target.partition(b"?")[0]
    try:
        plain = plainly_decoded(path)
    except UnicodeDecodeError:
        return f"the backend got {received.target!r}, which is no text"
    if paranoid(path) == "/admin/keys":
        return f"the backend got {received.target!r}, which is the protected path"
    if paranoid(path) != plain:
        return f"the backend got {received.target!r}, which can be read as {paranoid(path)}"
    return None


def _bypass(corpus: Any) -> Iterator[Row]:
    for case in corpus["cases"]:
        yield Row(case["path"], base64.b64decode(case["raw_base64"]), never_2xx=True)
    for name in corpus["spoof_headers"]:
        for value in ("127.0.0.1", "/admin/keys"):
            fields = [_HOST, (name.encode(), value.encode()), _CLOSE]
            yield Row(f"{name}: {value}", message("GET", "/admin/keys", fields), never_2xx=True)
    for address in corpus["spoof_ips"]:
        fields = [_HOST, (b"X-Forwarded-For", address.encode()), _CLOSE]
        yield Row(f"from {address}", message("GET", "/admin/keys", fields), never_2xx=True)
    for method in corpus["methods"]:
        yield Row(f"method {method}", message(method, "/admin/keys", [_HOST, _CLOSE]), never_2xx=True)


def _fuzzdb(corpus: Any) -> Iterator[Row]:
    for spelling in (*corpus["traversals"], *corpus["crlf"]):
        target = b"/open/" + spelling.encode().lstrip(b"/")
        yield Row(spelling, message("GET", target, [_HOST, _CLOSE]))
    for query in corpus["hpp"]:
        yield Row(query, message("GET", b"/open/x" + query.encode(), [_HOST, _CLOSE]))
    for method in corpus["methods"]:
        yield Row(f"method {method}", message(method, "/admin/keys", [_HOST, _CLOSE]), never_2xx=True)


def _tables(corpus: Any) -> Iterator[Row]:
    for case in corpus:
        yield Row(case["path"], message("GET", case["path"].encode(), [_HOST, _CLOSE]))


_ROWS: dict[str, Callable[[Any], Iterator[Row]]] = {
    "bypass": _bypass,
    "fuzzdb": _fuzzdb,
    "normalisation_tables": _tables,
}
