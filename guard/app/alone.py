"""One gateway at a time on one key database: state in memory belongs to one process.

Two of them would each accept the same nonce once (ARCHITECTURE.md section 3, rule 8). Kept by an advisory lock on a
file beside the database, which the system drops with the process, however it ends.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from guard.state.faults import StateError


@contextmanager
def alone_on(database: Path) -> Iterator[None]:
    """Hold the database for the time of the block. Raises StateError if another gateway holds it."""
    file = database.with_name(f"{database.name}.serving")
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StateError(
            f"another gateway serves the keys of {database}, and state in memory belongs to one process: stop it, or "
            "give this one a GUARD_HOME of its own, or set GUARD_STATE_URL to a Redis for both"
        ) from None
    try:
        yield
    finally:
        os.close(descriptor)
