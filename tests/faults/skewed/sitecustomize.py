"""Python runs this at its start where this folder is on PYTHONPATH: the wall clock of the process and of its children
is ahead by as many nanoseconds as the file says that FAULTS_CLOCK names, now and whenever that changes.

In Python rather than by libfaketime, which would make every reading of every clock dearer, also of the monotonic one.
"""

import mmap
import os
import time
from pathlib import Path

if "FAULTS_CLOCK" in os.environ:
    with Path(os.environ["FAULTS_CLOCK"]).open("rb") as file:
        _ahead = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    _true_ns = time.time_ns

    def _time_ns() -> int:
        return _true_ns() + int.from_bytes(_ahead[:8], "little", signed=True)

    time.time_ns = _time_ns
    time.time = lambda: _time_ns() / 1e9
