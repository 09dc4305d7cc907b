"""The policy files, looked at again and again: who edits them, or swaps the link that they lie behind, is followed.

Looking, and not being told: inotify says nothing on many network file systems, nor of a link further up that was
swapped, which is how Kubernetes replaces a ConfigMap. A change is acted on when two looks in a row have seen the same,
so that files which are written one after the other are read together.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from guard.policy.case_files import CASES_ENDING
from guard.policy.names import LIST_ENDING
from guard.policy.shared import SHARED_FILE
from guard.signing.policy_signature import SIGNATURE_FILE

Marks: TypeAlias = tuple[tuple[str, int, int, int], ...]


def marks_of(directory: Path) -> Marks:
    """What tells the policy files of a directory (or the one file, what it may name, and what may be its tests) from
    what they were before. Never raises.
    """
    alone = not directory.is_dir()
    try:
        beside = sorted((directory.parent if alone else directory).iterdir())
    except OSError:
        beside = []
    endings = (LIST_ENDING, SHARED_FILE, CASES_ENDING) if alone else (".yaml", LIST_ENDING, SIGNATURE_FILE)
    watched = [path for path in beside if path.name.endswith(endings) and path != directory]
    return tuple(map(_mark, [directory, *watched] if alone else watched))


async def watch(
    directory: Path, every_s: float, changed: Callable[[], Awaitable[object]], *, read: Mapping[str, bytes] | None
) -> None:
    """Await `changed` after each change that has settled, until cancelled. `read` are the contents that were read:
    what has changed since then is a change too; None: nothing was read, so that what there is is one.
    """
    seen = await asyncio.to_thread(marks_of, directory)
    acted_on = seen if read is not None and await asyncio.to_thread(_still_says, read) else None
    while True:
        await asyncio.sleep(every_s)
        marks = await asyncio.to_thread(marks_of, directory)
        if marks == seen and marks != acted_on:  # knockout: a_change_settles
            acted_on = marks
            await changed()
        seen = marks


def _still_says(read: Mapping[str, bytes]) -> bool:
    try:
        return all(Path(name).read_bytes() == content for name, content in read.items())
    except OSError:
        return False


def _mark(path: Path) -> tuple[str, int, int, int]:
    """A link is followed: it is what it leads to that is read."""
    try:
        stat = path.stat()
    except OSError:
        return (path.name, 0, 0, 0)
    return (path.name, stat.st_ino, stat.st_mtime_ns, stat.st_size)
