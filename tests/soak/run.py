"""The long runs of issue 3 that no test suite has the time for, against `guard serve` on free ports of 127.0.0.1.

Run by `make soak`. `tests/system/test_soak_runs.py` runs each in small, so that they do not rot.
"""

import argparse
import sys
import time

from tests import printed
from tests.soak import (
    aborts,
    aborts_inside,
    big_upload,
    closing_backend,
    long_backtest,
    many_keys,
    not_sent,
    overload,
    policy_swaps,
    policy_swaps_nodes,
    slow_clients,
)
from tests.soak.verdict import Verdict

RUNS = (
    slow_clients,
    big_upload,
    not_sent,
    closing_backend,
    overload,
    policy_swaps,
    policy_swaps_nodes,
    aborts,
    aborts_inside,
    long_backtest,
    many_keys,
)


def main() -> int:
    """Exit code 1 if anything did not hold."""
    wanted = _arguments()
    verdicts = []
    for one in RUNS:
        if wanted.name and one.NAME not in wanted.name:
            continue
        begun = time.monotonic()

        def say(line: str, name: str = one.NAME, begun: float = begun) -> None:
            printed.say(f"{name} {time.monotonic() - begun:5.0f} s  {line}")

        say("begins")
        verdicts.append(one.run(one.SMALL if wanted.small else one.FULL, say))
        say("held" if verdicts[-1].held else "DID NOT HOLD")
    _print_table(verdicts)
    return int(not all(verdict.held for verdict in verdicts))


def _print_table(verdicts: list[Verdict]) -> None:
    rows = [("run", "must hold", "measured", "")]
    for verdict in verdicts:
        rows += [(verdict.name, check.what, check.measured, "" if check.held else "NO") for check in verdict.checks]
    printed.say_table(rows)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", nargs="*", choices=[[], *(one.NAME for one in RUNS)], help="only these runs")
    parser.add_argument("--small", action="store_true", help="at the size of the test suite")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
