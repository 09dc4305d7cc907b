"""A gateway before a backend that echoes, each a process of its own: where most of the runs take place."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.soak.backend import EchoingBackend, echoing_backend
from tests.system.gateway import RunningGateway, running_gateway
from tests.system.key_holder import signed
from tests.system.raw_http import message
from tests.system.recording_backend import RecordingBackend

HOST = b"soak.test"
POLICIES = Path(__file__).parent / "policies"


class Scene(NamedTuple):
    """Both are ready."""

    gateway: RunningGateway
    backend: EchoingBackend

    def signed(self, method: str, target: str, body: bytes = b"") -> bytes:
        """A whole request of the trader, good for the seconds of its window."""
        return signed(self.gateway.keys["trader"], method, target, body, host=HOST)


@contextmanager
def scene(*backend_flags: str, **environment: str) -> Iterator[Scene]:
    """Serve `policies/` with these settings, for the time of the block; no line for each decision is kept."""
    with (
        tempfile.TemporaryDirectory(prefix="guard-soak-") as folder,
        echoing_backend(*backend_flags) as backend,
        running_gateway(
            Path(folder),
            RecordingBackend(port=backend.port),  # only where it is counts here
            policies=POLICIES,
            flags=("--decision-log", "/dev/null"),
            environment={"GUARD_LOG_LEVEL": "warning", **environment},
        ) as gateway,
    ):
        yield Scene(gateway, backend)


def opened(method: str, target: str, *fields: tuple[bytes, bytes], body: bytes = b"") -> bytes:
    """A request without credentials."""
    return message(method, target, [(b"Host", HOST), *fields], body)
