"""Where the microseconds go: guard's stages, each timed in a running gateway under load, 1,000 keys in turn.

CPU a request is measured on a gateway without the stopwatch; the stages on one with it, in turns. What no stage
accounts for is the event loop: its system calls for reading, tasks, timers, memory.
"""

import argparse
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from loadtests.bench.backend import backend
from loadtests.bench.gateway import serving
from loadtests.bench.load import Load, load, warm
from loadtests.bench.report import publish, table
from loadtests.bench.serving import PROFILES
from loadtests.bench.signed import Kind
from loadtests.bench.timed import STAGES, Timing


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory(prefix="bench-stages-") as directory, backend() as url:
        file = Path(directory) / "stages.json"
        with (
            serving(arguments.profile, backend=url) as plain,
            serving(arguments.profile, backend=url, timed=file) as timed,
        ):
            for gateway in (plain, timed):
                warm(gateway, Kind.ACCEPTED)
            rounds = [
                (load(plain, Kind.ACCEPTED, arguments.seconds), load(timed, Kind.ACCEPTED, arguments.seconds))
                for _ in range(arguments.rounds)
            ]
        timings = {stage: Timing(*timing) for stage, timing in json.loads(file.read_text()).items()}
    requests = sum(watched.sent.answered for _, watched in rounds)
    publish("stages", shares([unwatched for unwatched, _ in rounds], timings, requests), arguments.document)


def shares(loads: list[Load], timings: Mapping[str, Timing], requests: int) -> str:
    """The table: each stage's microseconds a request, and its share of what a request costs."""
    whole_us = median(each.cpu_us for each in loads)
    kernel_us = median(each.system_us for each in loads)
    rows = [
        (stage, timings[stage].calls / requests, timings[stage].calls / requests * timings[stage].mean_ns / 1000)
        for stage, _ in STAGES
    ]
    stages_us = sum(us for _, _, us in rows)
    lines = [(stage, f"{calls:.1f}", f"{us:.1f}", f"{us / whole_us:.0%}") for stage, calls, us in rows]
    rest_us = whole_us - stages_us
    lines += [
        ("the event loop, and what no stage accounts for", "", f"{rest_us:.1f}", f"{rest_us / whole_us:.0%}"),
        ("**in all**", "", f"**{whole_us:.1f}**", ""),
        ("of it in the kernel", "", f"{kernel_us:.1f}", f"{kernel_us / whole_us:.0%}"),
    ]
    return table(("stage", "calls a request", "µs a request", "share"), lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make profile", description=__doc__)
    parser.add_argument("--profile", choices=PROFILES, default="base")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--document", type=Path, help="put the table into this document as well")
    return parser.parse_args()


if __name__ == "__main__":
    main()
