"""One HTTP/1.1 request, sent as the bytes it is, and its answer. Nothing is normalised, followed or tried again."""

import http.client
import socket
import time

import msgspec

from guard.cli.credentials import Gateway

CONNECT_S = 5
ANSWER_S = 30
BODY_BYTES_MAX = 16 * 1024 * 1024


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back. `elapsed_us` runs from before connecting (if that was needed) to the last byte of the body."""

    status: int
    phrase: str
    fields: tuple[tuple[str, str], ...]
    body: bytes
    elapsed_us: int

    def field(self, name: str) -> str | None:
        """The first value of a field, in any case."""
        return next((value for key, value in self.fields if key.lower() == name.lower()), None)


class Unreachable(Exception):  # noqa: N818 (it is what it says)
    """No answer: the sentence says what to do."""


class Connection:
    """A kept-alive connection to one gateway; it opens itself when needed. One request at a time."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._socket: socket.socket | None = None

    def ask(self, content: bytes, method: str) -> Answer:
        """Sends `content` and reads one answer. Raises Unreachable; the request may then have been executed or not."""
        started_ns = time.monotonic_ns()
        try:
            wire = self._socket = self._socket or self._open()
            wire.sendall(content)
            answer, reusable = _read(wire, method, started_ns)
        except (OSError, http.client.HTTPException) as fault:
            self.close()
            raise Unreachable(_sentence(self._gateway, fault)) from fault
        if not reusable:
            self.close()
        return answer

    def close(self) -> None:
        """Ends the connection, if there is one."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None

    def _open(self) -> socket.socket:
        wire = socket.create_connection((self._gateway.host, self._gateway.port), timeout=CONNECT_S)
        wire.settimeout(ANSWER_S)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self._gateway.secure:
            return wire
        import ssl  # noqa: PLC0415 (only for https, and it is slow to import)

        return ssl.create_default_context().wrap_socket(wire, server_hostname=self._gateway.host)


def ask_once(gateway: Gateway, content: bytes, method: str) -> Answer:
    """One request on a connection of its own. Raises Unreachable."""
    connection = Connection(gateway)
    try:
        return connection.ask(content, method)
    finally:
        connection.close()


def _read(wire: socket.socket, method: str, started_ns: int) -> tuple[Answer, bool]:
    """The answer, and whether another request may follow on this connection."""
    response = http.client.HTTPResponse(wire, method=method)
    try:
        response.begin()
        body = response.read(BODY_BYTES_MAX)
        if response.length and len(body) < BODY_BYTES_MAX:
            raise http.client.IncompleteRead(body, response.length)
        reusable = response.isclosed() and not response.will_close
        elapsed_us = (time.monotonic_ns() - started_ns) // 1_000
        return Answer(
            status=response.status,
            phrase=response.reason,
            fields=tuple(response.getheaders()),
            body=body,
            elapsed_us=elapsed_us,
        ), reusable
    finally:
        response.close()


def _sentence(gateway: Gateway, fault: Exception) -> str:
    if isinstance(fault, ConnectionRefusedError):
        return f"no gateway at {gateway.url}: start one with `guard dev`"
    if isinstance(fault, TimeoutError):
        return f"{gateway.url} did not answer in time"
    return f"{gateway.url} broke off: {fault}"
