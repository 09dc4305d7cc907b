"""PostgreSQL is killed, stopped or cut off while orders come: nobody waits for it, nobody gets a 500, a key that was
revoked before stays revoked through all of it, and orders pass again soon after it is back.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import msgspec

from tests.faults.node import ROOT
from tests.faults.revocation import guard
from tests.faults.scene import Fleet, fleet, pairs, policy
from tests.faults.stores import Database, database, single
from tests.faults.traffic import traffic
from tests.faults.watching import at_most_once, only_answers_of_guard, outcomes, truly_told
from tests.soak.verdict import Check, Say, Verdict, at_least, at_most, none

NAME = "database-loss"
SEEDED = False


class Size(msgspec.Struct, frozen=True):
    """How long each loss lasts, the longest that anybody waits, and when orders pass again. In small a busy machine has
    some slack.
    """

    lost_s: float
    wait_ms_max: int
    back_s_max: float


FULL = Size(lost_s=10.0, wait_ms_max=1000, back_s_max=3.0)
SMALL = Size(lost_s=2.0, wait_ms_max=1400, back_s_max=4.0)


class Loss(msgspec.Struct, frozen=True):
    """A way to lose the database."""

    name: str
    last: Callable[[Database], AbstractContextManager[None]]


def run(size: Size, say: Say, seed: int = 0, tree: Path = ROOT) -> Verdict:
    """Before each loss one key more is revoked."""
    checks: list[Check] = []
    with (
        single(seed) as state,
        database(seed) as kept,
        fleet(
            policy(past="60s", future="500ms"),
            state_url=state.url,
            database_url=kept.url,
            admin_url=kept.server.url,
            tree=tree,
        ) as place,
    ):
        for index in range(len(_LOSSES)):
            with guard(
                place, "keys", "revoke", place.keys[index].id, "--why", "fault run", state_url=state.url
            ) as command:
                assert command.wait() == 0
            checks += _lose(place, kept, index, size, say)
        checks.append(at_most_once(place.ledger()))
    return Verdict(NAME, tuple(checks))


def _lose(place: Fleet, kept: Database, index: int, size: Size, say: Say) -> list[Check]:
    loss = _LOSSES[index]
    fine, gone = place.keys[index + 1 :], place.keys[: index + 1]
    orders = [
        place.orders(f"{loss.name}-fine", clients=8, pause_ms=5, replayed=0.3, keys=pairs(fine)),
        place.orders(f"{loss.name}-gone", clients=2, pause_ms=5, keys=pairs(gone)),
    ]
    with traffic(*orders) as sending:
        sending.go()
        time.sleep(0.5)
        with loss.last(kept):
            time.sleep(size.lost_s)
        back_ns = time.monotonic_ns()
        time.sleep(size.back_s_max)
        sendings = sending.stop()
    say(f"{loss.name}: {outcomes(sendings)}")
    served = (each.ended_ns for each in sendings if each.status == 200 and each.begun_ns > back_ns)
    back_s = (next(served, time.monotonic_ns()) - back_ns) / 1e9
    revoked = [each for each in sendings if "-gone-" in each.mark]
    longest_ms = round(max(each.took_ms for each in sendings))
    return [
        none(f"{loss.name}: passed with a revoked key", sum(each.status == 200 for each in revoked)),
        at_least(f"{loss.name}: tried with a revoked key", len(revoked), 10),
        at_most(f"{loss.name}: the longest wait", longest_ms, size.wait_ms_max, " ms"),
        at_most(f"{loss.name}: until orders pass again", round(back_s, 2), size.back_s_max, " s"),
        only_answers_of_guard(sendings),
        *truly_told(place.ledger(), sendings),
    ]


@contextmanager
def _killed(kept: Database) -> Iterator[None]:
    kept.server.kill()
    yield
    kept.server.restart()


@contextmanager
def _stopped(kept: Database) -> Iterator[None]:
    kept.server.pause()
    yield
    kept.server.resume()


@contextmanager
def _refused(kept: Database) -> Iterator[None]:
    kept.proxy.refuse()
    kept.proxy.cut()
    yield
    kept.proxy.heal()


@contextmanager
def _silent(kept: Database) -> Iterator[None]:
    """Connections stay, and nothing comes."""
    kept.proxy.pause()
    yield
    kept.proxy.heal()


_LOSSES = (
    Loss("killed", _killed),
    Loss("stopped", _stopped),
    Loss("refused", _refused),
    Loss("silent", _silent),
)
