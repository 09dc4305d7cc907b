"""A scenario's users without Locust around them: their requests go to a stand-in, which answers as it is told.

Importing Locust replaces the sockets and threads of the whole process, unless it is asked not to.
"""

import importlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Self
from unittest import mock

import msgspec

from loadtests.crowd.catalogue import SCENARIOS
from loadtests.crowd.keys import Keys, minted
from loadtests.crowd.plan import VARIABLE, Plan, write_plan
from loadtests.crowd.shapes import Stage
from loadtests.crowd.tally import Tally

HOST = "http://127.0.0.1:8080"


class Sent(msgspec.Struct, frozen=True):
    """One request as it was handed to Locust."""

    method: str
    target: str
    name: str
    body: bytes
    fields: dict[str, str]


class Answer:
    """What Locust would hand out: a response that is told whether it was a success."""

    def __init__(self, status: int, **fields: str) -> None:
        self.status_code = status
        self.headers = {name.replace("_", "-"): value for name, value in fields.items()}
        self.failed: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def success(self) -> None:
        self.failed = ""

    def failure(self, why: str) -> None:
        self.failed = why


class StandIn:
    """In place of Locust's client. `answer` says what comes back; everything that was sent is kept."""

    def __init__(self, answer: Callable[[Sent], Answer]) -> None:
        self.sent: list[Sent] = []
        self.answers: list[Answer] = []
        self._answer = answer

    def request(
        self, method: str, target: str, *, name: str, data: bytes, headers: dict[str, str], **how: Any
    ) -> Answer:
        assert how == {"catch_response": True, "allow_redirects": False}
        self.sent.append(Sent(method, target, name, data, headers))
        self.answers.append(self._answer(self.sent[-1]))
        return self.answers[-1]


def keys_of_all_roles() -> Keys:
    """Three of each role that a scenario has."""
    roles = {role.name: role for scenario in SCENARIOS for role in scenario.roles}
    return minted([msgspec.structs.replace(role, shared=False) for role in roles.values()], users=3, workers=1)


def imported(name: str) -> ModuleType:
    """`scenarios.steady`, or another module that imports Locust. Its plan is that of the first import."""
    with tempfile.TemporaryDirectory() as home:
        plan = Plan("test", (Stage("steady", 60_000, 3),), dict(keys_of_all_roles()), home)
        write_plan(Path(home, "plan.json"), plan)
        told = {VARIABLE: str(Path(home, "plan.json")), "LOCUST_SKIP_MONKEY_PATCH": "1"}
        with mock.patch.dict(os.environ, told):
            return importlib.import_module(f"loadtests.{name}")


@contextmanager
def user(
    of: str, name: str, answer: Callable[[Sent], Answer] = lambda _: Answer(200)
) -> Iterator[tuple[Any, StandIn, Tally]]:
    """A user of a scenario that has started, its stand-in, and the tally of what it does."""
    module, traders = imported(f"scenarios.{of}"), imported("crowd.traders")
    environment = importlib.import_module("locust.env").Environment(host=HOST)
    kind = getattr(module, name)
    with mock.patch.object(kind, "host", HOST):
        one = kind(environment)
    one.host, one.client = HOST, StandIn(answer)
    tally = Tally()
    with mock.patch.object(traders, "TALLY", tally), mock.patch.object(traders.time, "sleep"):
        one.on_start()
        yield one, one.client, tally
