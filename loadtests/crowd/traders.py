"""Traders as Locust runs them: paced users of guard-v1, whose every request is signed before its time is taken.

Importing this file imports Locust, which replaces the sockets, threads and locks of the whole process by gevent's: only
locustfiles do it.
"""

import os
import secrets
import time
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import msgspec
from locust import FastHttpUser, LoadTestShape, events

from guard.model.names import UnixMs
from loadtests.crowd.auth import Signed, fresh_nonce, signed
from loadtests.crowd.intents import Intent
from loadtests.crowd.keys import LoadKey, of_worker
from loadtests.crowd.pace import Pace
from loadtests.crowd.plan import planned
from loadtests.crowd.shapes import stage_at, users_max
from loadtests.crowd.tally import Exchange, Tally

PLAN = planned()
TALLY = Tally()
ORDER = b'{"symbol":"BTC-USD","side":"buy","qty":"0.01","px":"60000"}'

_NS = 1_000_000_000
_PATIENCE_S = 10.0
_taken: dict[str, int] = {}
_began_ns = [time.monotonic_ns()]


class Trader(FastHttpUser):
    """A user with a key of its role, who asks every `every_ms`."""

    abstract = True
    role: ClassVar[str] = "trader"
    every_ms: ClassVar[int] = 100
    connection_timeout = _PATIENCE_S
    network_timeout = _PATIENCE_S

    def on_start(self) -> None:
        """Takes a key that no other user has, and begins at a moment of its own within its pace."""
        keys = of_worker(PLAN.keys, self.role, worker_index(self.environment.runner))
        place = _taken.get(self.role, 0)
        _taken[self.role] = place + 1
        self.key = keys[place % len(keys)]
        self._idles = False
        self.authority = urlsplit(self.host or "").netloc
        time.sleep(secrets.randbelow(self.every_ms) / 1000)
        self.pace = Pace(self.every_ms * 1_000_000, time.monotonic_ns())

    def on_stop(self) -> None:
        """Says how much was offered."""
        TALLY.offered += self.pace.offered(time.monotonic_ns())
        TALLY.begun += self.pace.begun

    def wait_time(self) -> float:
        """Seconds until the next request is due."""
        now_ns, idles = time.monotonic_ns(), self._idles
        self._idles = False
        return (self.pace.rest(now_ns) if idles else self.pace.wait_ns(now_ns)) / _NS

    def idle(self) -> None:
        """In place of a request: nothing is to be asked in this stage of the run, and nothing is owed for it."""
        self._idles = True

    def sign(self, intent: Intent, target: str, body: bytes = b"", *, key: LoadKey | None = None) -> Signed:
        """A request of that route, signed now with a nonce of its own."""
        return signed(
            key or self.key,
            intent.route.partition(" ")[0],
            target,
            body,
            authority=self.authority,
            now=UnixMs(time.time_ns() // 1_000_000),
            nonce=fresh_nonce(),
        )

    def send(self, intent: Intent, request: Signed) -> Exchange:
        """Asks, and counts the answer under the intent's name: as a failure, if it is none of those expected."""
        sent_ns = time.monotonic_ns()
        with self.client.request(
            request.method,
            request.target,
            name=intent.name,
            data=request.body,  # type: ignore[arg-type]  # bytes are sent as they are
            headers=dict(request.fields),
            catch_response=True,
            allow_redirects=False,
        ) as response:
            fields = response.headers or {}
            exchange = Exchange(
                intent=intent,
                key_id=request.key_id,
                nonce=request.nonce,
                sent_ns=sent_ns,
                answered_ns=time.monotonic_ns(),
                status=response.status_code,
                reason=fields.get("guard-reason"),
                sent=fields.get("guard-sent"),
            )
            if TALLY.record(exchange):
                response.success()
            else:
                response.failure(f"{exchange.answer}, expected {' or '.join(intent.expects)}")
        return exchange

    def ask(self, intent: Intent, target: str, body: bytes = b"") -> Exchange:
        """Sign and send."""
        return self.send(intent, self.sign(intent, target, body))


class PlannedShape(LoadTestShape):
    """The stages of the plan."""

    def tick(self) -> tuple[int, float] | None:
        """All users of a stage have come, and all others have gone, within a second of its beginning."""
        elapsed_s = self.get_run_time()  # type: ignore[no-untyped-call]
        stage = stage_at(PLAN.stages, int(elapsed_s * 1000))
        return None if stage is None else (stage.users, float(users_max(PLAN.stages)))


def worker_index(runner: object) -> int:
    """Which of the workers this process is; 0 where there is but one."""
    return int(getattr(runner, "worker_index", 0))


def stage_name() -> str:
    """Of this moment. The last one goes on while the run ends."""
    stage = stage_at(PLAN.stages, (time.monotonic_ns() - _began_ns[0]) // 1_000_000)
    return (stage or PLAN.stages[-1]).name


def _begin(**_: object) -> None:
    _began_ns[0] = time.monotonic_ns()


def _user_failed(user_instance: object, exception: Exception, **_: object) -> None:
    TALLY.fail(f"{type(user_instance).__name__}: {type(exception).__name__}: {exception}")


def _strained(**_: object) -> None:
    TALLY.strained = 1


def _write_what_was_seen(**_: object) -> None:
    """One file a process. That of a master, who has no users, is empty."""
    Path(PLAN.seen, f"{os.getpid()}.json").write_bytes(msgspec.json.encode(TALLY))


events.test_start.add_listener(_begin)  # type: ignore[no-untyped-call]
events.user_error.add_listener(_user_failed)  # type: ignore[no-untyped-call]
events.cpu_warning.add_listener(_strained)  # type: ignore[no-untyped-call]
events.quitting.add_listener(_write_what_was_seen)  # type: ignore[no-untyped-call]
