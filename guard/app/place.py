"""One place among the workers: filled by one process after another, and what is known of the one that is there.

What the earlier ones have counted stays, so that no total ever goes backwards when a worker is replaced.
"""

import asyncio
import socket
import time
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence
from subprocess import DEVNULL

import msgspec

from guard.app.link import UP, Drain, Link, News, Refusal, Report, Task, Up
from guard.telemetry.tally import Tally, together

SILENT_S = 5
_END_S = 5
_STARTING = ("starting",)
_SILENT = ("does not answer",)


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """How one worker's life went: whether it was ever ready, how long it lasted, and how it ended.

    `code` is what it exited with, or the negated number of the signal that ended it.
    """

    ready: bool
    lasted_s: float
    code: int
    refusal: str | None = None


class Place:
    """`command` starts a worker, its link's descriptor being the last word; `task` is the first that it hears.

    `changed` is called whenever something may be known of the worker that was not before.
    """

    _was_ready: bool
    _refusal: str | None
    _degraded: tuple[str, ...]
    _policy: str

    def __init__(self, command: Sequence[str], task: Task, changed: Callable[[], object]) -> None:
        self.number = task.place + 1
        self._command = command
        self._task = task
        self._changed = changed
        self._process: Process | None = None
        self._link: Link[Up] | None = None
        self._draining = False
        self._departed = Tally()
        self._forget()

    @property
    def pid(self) -> int | None:
        """The process that fills it now."""
        return None if self._process is None else self._process.pid

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """Why the worker should get no traffic; empty if it should."""
        if self._waiting_for or time.monotonic() - self._heard_at_s <= SILENT_S:
            return self._waiting_for
        return _SILENT

    @property
    def policy(self) -> str:
        """The digest of the policies that the worker runs, as of the last report; empty if there was none."""
        return self._policy

    @property
    def degraded(self) -> tuple[str, ...]:
        """What an operator must know of the worker though it serves, as of the last report."""
        return self._degraded

    def tally(self) -> Tally:
        """What its workers have counted, as of the last report."""
        return together((self._departed, self._tally))

    def tell(self, news: News) -> None:
        """Say it to the worker, if there is one."""
        if self._link is not None:
            self._link.say(news)

    def renew(self, content: bytes) -> None:
        """What the next worker is told to serve; the one that is here is not."""
        self._task = msgspec.structs.replace(self._task, content=content)

    def drain(self) -> None:
        """Have the worker finish what it does, and end; the next one, too, should it just be starting."""
        self._draining = True
        if self._link is not None:
            self._link.say(Drain())

    def kill(self) -> None:
        """End the worker at once."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def live(self) -> Life:
        """One worker's life, from its start to its end."""
        began_s = time.monotonic()
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                try:
                    process = self._process = await self._started(theirs.fileno())
                except OSError as error:
                    return Life(ready=False, lasted_s=0, code=1, refusal=str(error))
            try:
                await self._listen(ours)
                code = await _ended(process)
            finally:
                self.kill()
                self._process = None
                self._departed = together((self._departed, self._tally.departed()))
                ready, refusal = self._was_ready, self._refusal
                self._forget()
                self._changed()
        return Life(ready=ready, lasted_s=time.monotonic() - began_s, code=code, refusal=refusal)

    async def _started(self, link: int) -> Process:
        return await asyncio.create_subprocess_exec(
            *self._command,
            str(link),
            stdin=DEVNULL,
            pass_fds=(link, self._task.listening, self._task.memory),
            start_new_session=True,  # Ctrl-C is for the supervisor alone
        )

    async def _listen(self, end: socket.socket) -> None:
        """Give the worker its task, and hear it until it has ended or broken off."""
        link = self._link = await Link.of(end, UP)
        link.say(self._task)
        if self._draining:
            link.say(Drain())
        try:
            while (message := await link.hear()) is not None:
                self._heard(message)
        finally:
            self._link = None
            await link.close()

    def _heard(self, message: Up) -> None:
        match message:
            case Report():
                self._tally = message.tally
                self._waiting_for = message.waiting_for
                self._degraded = message.degraded
                self._policy = message.policy
                self._heard_at_s = time.monotonic()
                self._was_ready = self._was_ready or not message.waiting_for
            case Refusal():
                self._refusal = message.why
        self._changed()

    def _forget(self) -> None:
        self._tally = Tally()
        self._waiting_for = _STARTING
        self._degraded = ()
        self._policy = ""
        self._heard_at_s = 0.0
        self._was_ready = False
        self._refusal = None


async def _ended(process: Process) -> int:
    """The exit code of a worker whose link is broken: it has nothing left to do."""
    try:
        async with asyncio.timeout(_END_S):
            return await process.wait()
    except TimeoutError:
        process.kill()
        return await process.wait()
