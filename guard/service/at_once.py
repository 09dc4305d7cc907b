"""A coroutine that has nothing to wait for, run to its end where it stands: without a task or a turn of the loop.

So one line serves those who can wait and those who need not, and is written once.
"""

from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """What it returns. Raises what it raises, and RuntimeError if it waits after all: then it is not run to its end."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    coroutine.close()
    raise RuntimeError("there was something to wait for")
