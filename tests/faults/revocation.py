"""Keys are revoked while both nodes are asked with them: once `guard keys revoke` has said that it is in force, not one
request of that key is executed any more. It says so within a second, also while pub/sub is a black hole and the
database half a second slow, or out of the nodes' reach. In such weather the command does not reach the shared store
either, which would refuse the key by itself.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tests.faults.node import ROOT
from tests.faults.scene import Fleet, fleet, policy
from tests.faults.stores import Database, State, database, single
from tests.faults.traffic import traffic
from tests.faults.watching import only_answers_of_guard, outcomes
from tests.faults.wires import Kind
from tests.soak.verdict import Say, Verdict, at_least, at_most, none

NAME = "revocation"
SEEDED = False

_WATCHED_S = 0.5
_UNDER_WAY_NS = 100_000_000
_EACH_WAY_MS = 250


class Size(msgspec.Struct, frozen=True):
    """How many requests must pass, of so many clients, and how many of the keys are revoked meanwhile. Each must
    be in force within `in_force_s`: a second, and in small what a busy machine adds.
    """

    requests: int
    clients: int
    revoked: int
    in_force_s: float


FULL = Size(requests=100_000, clients=64, revoked=6, in_force_s=1.0)
SMALL = Size(requests=6000, clients=16, revoked=3, in_force_s=1.4)


class _Revoked(msgspec.Struct, frozen=True):
    """A key that is no more: when that was told, and how long it took."""

    index: int
    told_ns: int
    took_s: float


def run(size: Size, say: Say, seed: int = 0, tree: Path = ROOT) -> Verdict:
    """One key after the other is revoked, each in another weather."""
    with (
        single(seed) as state,
        database(seed) as kept,
        fleet(
            policy(future="500ms"), state_url=state.url, database_url=kept.url, admin_url=kept.server.url, tree=tree
        ) as place,
    ):
        orders = [place.orders(f"all{number}", clients=size.clients // 2, verb="GET", seed=seed) for number in range(2)]
        with traffic(*orders) as sending:
            sending.go()
            revoked = []
            for index in range(size.revoked):
                _wait_for(place, size.requests * (index + 1) // (size.revoked + 2))
                weather = _WEATHERS[index % len(_WEATHERS)]
                with weather(state, kept):
                    revoked.append(_revoke(place, index, buries=weather is _fair))
                    say(f"{weather.__name__.strip('_')}: in force after {revoked[-1].took_s:.2f} s")
                    time.sleep(_WATCHED_S)
            _wait_for(place, size.requests)
            sendings = sending.stop()
        executed = place.ledger().executed
    say(outcomes(sendings))
    told = {each.index: each.told_ns for each in revoked}
    after = [each for each in sendings if each.begun_ns > told.get(_index(each.mark, len(place.keys)), each.begun_ns)]
    late = [
        each
        for each in executed
        if each.at_ns > told.get(_index(each.mark, len(place.keys)), each.at_ns) + _UNDER_WAY_NS
    ]
    return Verdict(
        NAME,
        (
            none("requests sent after their key was revoked, and passed", sum(each.status == 200 for each in after)),
            none("executed after their key was revoked", len(late)),
            at_least("requests sent after their key was revoked", len(after), size.revoked),
            at_most("until it was in force", max(each.took_s for each in revoked), size.in_force_s, " s"),
            at_least("requests sent", len(sendings), size.requests),
            only_answers_of_guard(sendings),
        ),
    )


def _index(mark: str, keys: int) -> int:
    """Which key a mark was signed with: clients take one after the other."""
    return int(mark.rpartition("-")[2]) % keys


def _wait_for(place: Fleet, count: int) -> None:
    while place.backend.count() < count:
        time.sleep(0.02)


@contextmanager
def _fair(state: State, kept: Database) -> Iterator[None]:
    del state, kept
    yield


@contextmanager
def _slow(state: State, kept: Database) -> Iterator[None]:
    state.proxies[0].pause(kinds=frozenset({Kind.HEARS}))
    kept.proxy.delay(_EACH_WAY_MS)
    yield
    state.heal()
    kept.proxy.heal()


@contextmanager
def _out_of_reach(state: State, kept: Database) -> Iterator[None]:
    state.proxies[0].pause(kinds=frozenset({Kind.HEARS}))
    kept.proxy.pause()
    yield
    state.heal()
    kept.proxy.heal()


_WEATHERS = (_fair, _slow, _out_of_reach)


def _revoke(place: Fleet, index: int, *, buries: bool) -> _Revoked:
    """Run the command, which counts from its commit: how long a process takes to start and to end says nothing."""
    words = ("keys", "revoke", place.keys[index].id, "--why", "fault run", "--json")
    with guard(place, *words, state_url=place.place.state_url if buries else "memory://") as command:
        assert command.stdout is not None
        line = command.stdout.readline()
        told_ns = time.monotonic_ns()
    answer = json.loads(line)
    assert answer["nodes"]["in_force"], answer["nodes"]
    return _Revoked(index, told_ns, answer["nodes"]["after_ms"] / 1000)


def guard(place: Fleet, *words: str, state_url: str) -> "subprocess.Popen[bytes]":
    """A command of the program, begun."""
    where = {
        "GUARD_HOME": str(place.place.home),
        "GUARD_DATABASE_URL": place.place.settings.database,
        "GUARD_STATE_URL": state_url,
        "PYTHONPATH": str(place.place.tree),
    }
    return subprocess.Popen(  # noqa: S603  # our own program
        (sys.executable, "-m", "guard", *words),
        env={**os.environ, **where},
        cwd=place.place.home,
        stdout=subprocess.PIPE,
    )
