"""Settings for all tests: no admin API where a test does not ask for one; hypothesis replays the same cases on
each run, so that a red test stays red.

`make fuzz` draws new ones, and many more; a failure there prints the case to keep as an example.
"""

import os
import shutil
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.migrated import migrated_once
from tests.servers.fixtures import postgres_of_session, postgres_url, redis_of_session, redis_url

__all__ = ["postgres_of_session", "postgres_url", "redis_of_session", "redis_url"]

_EXAMPLES, _FUZZ_EXAMPLES = 100, 2000
_FUZZ = bool(os.environ.get("GUARD_FUZZ"))

settings.register_profile(
    "guard",
    derandomize=not _FUZZ,
    deadline=None,
    max_examples=_FUZZ_EXAMPLES if _FUZZ else _EXAMPLES,
    print_blob=_FUZZ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("guard")

_MEMORY, _ROOM_BYTES = "/dev/shm", 2 << 30  # noqa: S108  # pytest makes a directory of its own in it
if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES:
    # A thousand tests have a database of their own, which waits for its disk after each step.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", _MEMORY)

os.environ.setdefault("GUARD_ADMIN_LISTEN", "none")  # several gateways at once cannot share the port of the default


@pytest.fixture(scope="session", autouse=True)
def _migrated_once() -> Iterator[None]:
    with migrated_once():
        yield
