"""Many keys, on SQLite and on PostgreSQL: a gateway that has them starts soon, and holds little memory for each."""

import re
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tests.servers.postgres import PostgresServer
from tests.soak.scene import HOST, POLICIES
from tests.soak.verdict import Check, Say, Verdict, at_most, none
from tests.system.gateway import RunningGateway, running_gateway
from tests.system.key_holder import Key, minted, signed
from tests.system.recording_backend import RecordingBackend, recording_backend

NAME = "many_keys"

_KEYS_AT_ONCE = 10_000
_ASKED = 50
_RSS = re.compile(r"^VmRSS:\s+(\d+) kB$", re.MULTILINE)


class Size(msgspec.Struct, frozen=True):
    """How many keys."""

    keys: int


FULL = Size(keys=100_000)
SMALL = Size(keys=10_000)
_START_S_MAX = 10.0
_KIB_MAX = 1.5


def run(size: Size, say: Say) -> Verdict:
    """Without the keys, then with them; each start is a process of its own."""
    with recording_backend() as backend, PostgresServer() as server:
        checks = [
            *_with_keys(size, say, "SQLite", backend, ""),
            *_with_keys(size, say, "PostgreSQL", backend, server.url),
        ]
    return Verdict(NAME, tuple(checks))


def _with_keys(size: Size, say: Say, name: str, backend: RecordingBackend, url: str) -> Iterator[Check]:
    with _gateway(backend, url) as gateway:
        before_kib = _held_kib(gateway)
        gateway.stop()
        keys = [minted("many") for _ in range(size.keys)]
        for first in range(0, size.keys, _KEYS_AT_ONCE):
            gateway.import_keys(*keys[first : first + _KEYS_AT_ONCE])
            say(f"{name}: {first + _KEYS_AT_ONCE} keys imported")
        begun = time.monotonic()
        gateway.start()
        took_s = time.monotonic() - begun
        each_kib = (_held_kib(gateway) - before_kib) / size.keys
        say(f"{name}: ready after {took_s:.1f} s, {each_kib:.2f} KiB a key")
        chosen = [secrets.choice(keys) for _ in range(_ASKED)]
        yield at_most(f"{name}: start", round(took_s, 1), _START_S_MAX, " s")
        yield at_most(f"{name}: memory of a key", round(each_kib, 2), _KIB_MAX, " KiB")
        yield none(f"{name}: keys not known, of {_ASKED}", sum(not _is_known(gateway, key) for key in chosen))


@contextmanager
def _gateway(backend: RecordingBackend, url: str) -> Iterator[RunningGateway]:
    environment = {"GUARD_LOG_LEVEL": "warning", **({"GUARD_DATABASE_URL": url} if url else {})}
    with (
        tempfile.TemporaryDirectory(prefix="guard-soak-") as folder,
        running_gateway(Path(folder), backend, policies=POLICIES, environment=environment, administered=url) as gateway,
    ):
        yield gateway


def _is_known(gateway: RunningGateway, key: Key) -> bool:
    return gateway.ask(signed(key, "GET", "/v1/canary", host=HOST)).status == 200


def _held_kib(gateway: RunningGateway) -> int:
    found = _RSS.search(Path(f"/proc/{gateway.pid}/status").read_text())
    assert found is not None
    return int(found[1])
