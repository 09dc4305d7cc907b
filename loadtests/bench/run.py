"""`make bench`: guard beside other gateways where compare.py is at hand, and what refusing costs.

With `--profile real` what a venue would run, and what its log, fields and limits cost apart; with `--profile desk` what
two limits in shadow and abuse that is watched for cost. Everything listens on 127.0.0.1. The figures are printed as
Markdown, and written with every round to `loadtests/bench/.run/PROFILE.json`.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from loadtests.bench import compared, report
from loadtests.bench.backend import backend
from loadtests.bench.gateway import serving
from loadtests.bench.load import Load, load, warm
from loadtests.bench.serving import BACKEND, PARTS, PROFILES, RUN
from loadtests.bench.signed import Kind
from loadtests.bench.state import MEMORY, State, state

_GUARD = "guard"
_REAL = "guard, real"


def main() -> None:
    """Measure and print. Ends with code 1 if a request is not answered as it should be."""
    arguments = _arguments()
    figures: dict[str, object] = {"machine": platform.machine(), "cpus": os.cpu_count(), "at": time.strftime("%F %R")}
    try:
        with state(arguments.state) as shared:
            if arguments.profile == "base" and compared.at_hand():
                figures["comparison"] = _compared(arguments, shared)
            if arguments.profile in _VARIANTS:
                figures["parts"] = _parts(arguments, shared)
            figures["refusals"] = _refusals(arguments, shared)
    except RuntimeError as error:
        sys.exit(f"error: {error}")
    RUN.mkdir(exist_ok=True)
    (RUN / f"{arguments.profile}.json").write_text(json.dumps(figures, indent=2) + "\n")


def _compared(arguments: argparse.Namespace, shared: State) -> object:
    with serving("base", backend=BACKEND, state=shared.url) as gateway:
        rounds = compared.compare(
            [(_GUARD, gateway)],
            peers=arguments.peers,
            rounds=arguments.rounds,
            seconds=arguments.seconds,
            redis_pid=shared.pid,
        )
    report.publish("comparison", report.comparison(rounds), arguments.document)
    if shared.pid is not None and report.LUA_REDIS in rounds[0]:
        cpu, redis = report.against_redis(rounds, _GUARD)
        sys.stdout.write(
            f"guard costs {cpu:.2f} x {report.LUA_REDIS}, its Redis {redis:.2f} x the Redis of that; the goals are at "
            f"most {report.GOAL_LUA_REDIS} and {report.GOAL_REDIS}.\n\n"
        )
    elif "nginx-lua" in rounds[0]:
        ratio = median(report.ratios(rounds, _GUARD))
        sys.stdout.write(f"guard costs {ratio:.2f} x nginx-lua; the goal is at most {report.GOAL_NGINX_LUA}.\n\n")
    return rounds


def _refusals(arguments: argparse.Namespace, shared: State) -> object:
    """Every kind of request in turns, on one gateway."""
    with backend() as url, serving(arguments.profile, backend=url, state=shared.url) as gateway:
        for kind in Kind:
            warm(gateway, kind)
        rounds = [{kind: load(gateway, kind, arguments.seconds) for kind in Kind} for _ in range(arguments.rounds)]
    report.publish(f"refusals {arguments.profile}", report.refusals(rounds), arguments.document)
    return _plain(rounds)


def _parts(arguments: argparse.Namespace, shared: State) -> object:
    """The whole of a profile, it less each of its parts, and the base: in turns, each a gateway of its own."""
    variants = _VARIANTS[arguments.profile]
    with backend() as url, ExitStack() as stack:
        gateways = {
            name: stack.enter_context(serving(profile, backend=url, without=without, state=shared.url))
            for name, profile, without in variants
        }
        for gateway in gateways.values():
            warm(gateway, Kind.ACCEPTED)
        rounds = [
            {name: load(each, Kind.ACCEPTED, arguments.seconds) for name, each in gateways.items()}
            for _ in range(arguments.rounds)
        ]
    report.publish(f"parts {arguments.profile}", report.parts(rounds, variants[0][0]), arguments.document)
    return _plain(rounds)


_BASE = (f"{_GUARD}, base", "base", ())
_VARIANTS: dict[str, tuple[tuple[str, str, tuple[str, ...]], ...]] = {
    "real": ((_REAL, "real", ()), *((f"{_REAL}, without {part}", "real", (part,)) for part in PARTS), _BASE),
    "desk": ((f"{_GUARD}, desk", "desk", ()), _BASE),
}


def _plain(rounds: Sequence[Mapping[Kind, Load] | Mapping[str, Load]]) -> list[dict[str, dict[str, float]]]:
    return [
        {str(name): {"cpu": each.cpu_us, "system": each.system_us, "rps": each.sent.rps} for name, each in one.items()}
        for one in rounds
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--profile", choices=PROFILES, default="base")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--peers", default=compared.PEERS, help="with commas; only for the comparison")
    parser.add_argument("--state", default=MEMORY, metavar="URL", help="or `redis`: one of the benchmark's own")
    parser.add_argument("--document", type=Path, help="put the tables into this document as well")
    return parser.parse_args()


if __name__ == "__main__":
    main()
