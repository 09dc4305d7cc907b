"""10 GB sent to routes that take far less: refused at `max_body` with memory flat, announced or not (BYPASSES.md A43).

The client is the rude one: it neither reads nor stops until the gateway closes on it.
"""

import asyncio
import socket
import time
from contextlib import suppress

import msgspec

from tests.soak.scene import Scene, opened, scene
from tests.soak.verdict import Check, Say, Verdict, at_most, none
from tests.soak.watched import MIB, Watched
from tests.system.key_holder import signed_fields
from tests.system.raw_http import message

NAME = "big_upload"

_PIECE = b"%x\r\n%b\r\n" % (65536, bytes(65536))
_KERNEL_BYTES = 8 * MIB  # what the sockets of both sides may hold
_LINGER_BYTES = MIB
_GROWN_BYTES_MAX = 24 * MIB
_QUIET_S = 5.0


class Size(msgspec.Struct, frozen=True):
    """How much each client would send, and how many do it at once."""

    bytes_max: int
    clients: int


FULL = Size(bytes_max=10 * 1024 * MIB, clients=8)
SMALL = Size(bytes_max=256 * MIB, clients=2)


class Upload(msgspec.Struct, frozen=True):
    """What one client could send, and the beginning of what it was told."""

    sent_bytes: int
    told: bytes


def run(size: Size, say: Say) -> Verdict:
    """Signed and open, in chunks and announced."""
    with scene() as place:
        return Verdict(NAME, tuple(asyncio.run(_run(place, size, say))))


async def _run(place: Scene, size: Size, say: Say) -> list[Check]:
    watched = Watched(place.gateway.pid)
    checks: list[Check] = []
    async with watched.watching():
        before = watched.resident_bytes
        for signed, max_body in ((True, MIB), (False, 64 * MIB)):
            for coded in (True, False):
                kind = f"{'signed' if signed else 'open'}, {'in chunks' if coded else 'announced'}"
                head = _head(place, size, signed=signed, coded=coded)
                limit = (max_body if coded else 0) + _LINGER_BYTES + _KERNEL_BYTES
                begun = time.monotonic()
                sending = (asyncio.to_thread(_send, place.gateway.port, head, size) for _ in range(size.clients))
                uploads = await asyncio.gather(*sending)
                sent = max(upload.sent_bytes for upload in uploads)
                say(f"{kind}: {sent / MIB:.1f} MiB went out in {time.monotonic() - begun:.1f} s")
                checks.append(at_most(f"{kind}: sent before the end", round(sent / MIB, 1), limit / MIB, " MiB"))
                untold = [upload for upload in uploads if not _refused(upload)]
                checks.append(none(f"{kind}: neither 413 nor closed", len(untold)))
        for signed in (True, False):
            head = _head(place, size, signed=signed, coded=False)
            told = await asyncio.to_thread(_head_only, place.gateway.port, head)
            kind = "signed" if signed else "open"
            checks.append(Check(f"{kind}, announced: 413 before a byte of it", told[:12].decode(), _says_413(told)))
    report = place.backend.report()
    grown = watched.peak_bytes - before
    return [
        *checks,
        at_most("memory", round(grown / MIB, 1), _GROWN_BYTES_MAX / MIB, " MiB"),
        none("whole uploads at the backend", report.whole),
    ]


def _head(place: Scene, size: Size, *, signed: bool, coded: bool) -> bytes:
    framing = (b"Transfer-Encoding", b"chunked") if coded else (b"Content-Length", b"%d" % size.bytes_max)
    if not signed:
        return opened("PUT", "/open/upload", framing)
    fields = signed_fields(place.gateway.keys["trader"], "POST", "/v1/orders", b"x", host=b"soak.test")
    return message("POST", "/v1/orders", [*fields, framing])


def _send(port: int, head: bytes, size: Size) -> Upload:
    """Send until it is refused by force; then see what was said."""
    with socket.create_connection(("127.0.0.1", port), timeout=_QUIET_S) as connection:
        sent = 0
        told = b""
        with suppress(OSError):
            connection.sendall(head)
            while sent < size.bytes_max:
                connection.sendall(_PIECE)
                sent += len(_PIECE)
        with suppress(OSError):
            told = connection.recv(4096)
        return Upload(sent, told)


def _head_only(port: int, head: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=_QUIET_S) as connection:
        connection.sendall(head)
        return connection.recv(4096)


def _refused(upload: Upload) -> bool:
    """A reset may take the words with it; who reads while he sends gets them."""
    return upload.told == b"" or _says_413(upload.told)


def _says_413(told: bytes) -> bool:
    return told.startswith(b"HTTP/1.1 413 ")
