"""The fault runs of issue 4 against `guard serve` on real servers, all on free ports of 127.0.0.1.

Run by `make faults`; `tests/system/test_fault_runs.py` runs them in small. Each tells its seed; `--seed` repeats it.
With `--knockout` each run is pointed at programs from which one defence was taken out, and must then not hold.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from tests.faults import (
    aborts,
    database_loss,
    failover,
    flaps,
    one_bucket,
    one_nonce,
    replays,
    revocation,
    state_loss,
    storm,
)
from tests.faults.defences import DEFENCES
from tests.faults.knocking import without
from tests.faults.node import ROOT
from tests.printed import say, say_table
from tests.soak.verdict import Verdict

RUNS = (one_nonce, one_bucket, replays, aborts, state_loss, database_loss, revocation, failover, flaps, storm)
_KNOCKOUT_SEEDS = 3


def main() -> int:
    """Exit code 1 if anything did not hold, or a defence was missed by nobody."""
    wanted = _arguments()
    runs = [run for run in RUNS if not wanted.name or run.NAME in wanted.name]
    if wanted.knockout:
        return _without_defences(runs)
    verdicts = [one(run, seed, small=wanted.small) for run in runs for seed in _seeds(run, wanted)]
    _print_table(verdicts)
    return int(not all(verdict.held for verdict in verdicts))


def one(run: ModuleType, seed: int, *, small: bool, tree: Path = ROOT) -> Verdict:
    """One run, told as it goes."""
    begun = time.monotonic()

    def tell(line: str) -> None:
        say(f"{run.NAME} {seed}  {time.monotonic() - begun:5.0f} s  {line}")

    tell("begins")
    verdict: Verdict = run.run(run.SMALL if small else run.FULL, tell, seed=seed, tree=tree)
    for check in verdict.checks:
        if not check.held:
            tell(f"NOT HELD: {check.what}: {check.measured}")
    tell("held" if verdict.held else "DID NOT HOLD")
    return verdict


def _seeds(run: ModuleType, wanted: argparse.Namespace) -> Iterator[int]:
    if wanted.seed is not None:
        yield wanted.seed
    else:
        yield from range(wanted.seeds if run.SEEDED else 1)


def _without_defences(runs: list[ModuleType]) -> int:
    """Every run whose defence is gone must not hold: with one of a few seeds, for what is left to chance. What depends
    on the machine counts here too: it may be all that a defence is for.
    """
    survived = []
    for defence in DEFENCES:
        for run in runs:
            if defence.run != run.NAME:
                continue
            with without(defence) as tree:
                missed = not all(one(run, seed, small=True, tree=tree).held for seed in range(_KNOCKOUT_SEEDS))
            say(f"{'red     ' if missed else 'SURVIVED'}  {defence.run} without {defence.words!r} of {defence.file}")
            survived += [] if missed else [defence]
    return int(bool(survived))


def _print_table(verdicts: list[Verdict]) -> None:
    rows = [("run", "must hold", "measured", "")]
    for verdict in verdicts:
        rows += [(verdict.name, check.what, check.measured, "" if check.held else "NO") for check in verdict.checks]
    say_table(rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="*", choices=[[], *(run.NAME for run in RUNS)], help="only these runs")
    parser.add_argument("--seeds", type=int, default=50, help="how many storms")
    parser.add_argument("--seed", type=int, help="this one only")
    parser.add_argument("--small", action="store_true", help="at the size of the test suite")
    parser.add_argument("--knockout", action="store_true", help="without the defences, each in turn")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
