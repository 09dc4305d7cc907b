"""The event loop of a process that serves, and how it shares the interpreter with the threads that SQLite works on."""

import sys
from collections.abc import Coroutine
from typing import Any, Final

import uvloop

TURN_S: Final = 20e-6
"""How long a thread waits before it asks for its turn.

uvloop gives the interpreter up for an instant at each callback, and a waiting thread wakes too late to take it. With
Python's 5 ms such a thread begins to wait anew each time, and never comes to ask. Under a flood of refusals, which take
less than 5 ms each, a poll of the key database took up to half a second so, and each wake-up was paid by a request.
"""


def run_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run to the end."""
    sys.setswitchinterval(TURN_S)
    uvloop.run(main)
