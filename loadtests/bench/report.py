"""Rounds of figures as medians, and medians as tables in Markdown; and the tables printed."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median

from loadtests.bench.load import Load
from loadtests.bench.signed import Kind

GOAL_NGINX_LUA = 1.3
GOAL_LUA_REDIS, GOAL_REDIS = 0.8, 0.7
LUA_REDIS = "nginx-lua-redis"
GOALS = {Kind.FORGED: 0.6, Kind.UNKNOWN: 0.6, Kind.EXHAUSTED_KEY: None, Kind.EXHAUSTED_ADDRESS: 0.3}
_LUA = "nginx-lua"


def comparison(rounds: Sequence[Mapping[str, Mapping[str, float]]]) -> str:
    """The gateway beside its peers: medians over the rounds. Ratios are taken within a round."""
    rows = []
    for name in rounds[0]:
        cpu = [each[name]["cpu"] for each in rounds]
        ratio = f"{median(ratios(rounds, name)):.2f}" if _LUA in rounds[0] else "-"
        rps, p50, p99 = (median(each[name][figure] for each in rounds) for figure in ("rps", "p50", "p99"))
        redis = median(each[name]["redis"] for each in rounds)
        rows.append((name, f"{rps:.0f}", *_cpu(cpu), f"{redis:.1f}", f"{p50:.2f}", f"{p99:.2f}", ratio))
    heads = ("gateway", "requests/s", "CPU µs/request", "min-max", "Redis µs", "p50 ms", "p99 ms", "x nginx-lua")
    return table(heads, rows)


def ratios(rounds: Sequence[Mapping[str, Mapping[str, float]]], name: str) -> list[float]:
    """What a gateway costs, as a multiple of nginx-lua, round by round."""
    return [each[name]["cpu"] / each[_LUA]["cpu"] for each in rounds]


def against_redis(rounds: Sequence[Mapping[str, Mapping[str, float]]], name: str) -> tuple[float, float]:
    """What a gateway and its Redis cost, as multiples of the peer that keeps its state there: medians of the rounds."""
    cpu, redis = ([each[name][part] / each[LUA_REDIS][part] for each in rounds] for part in ("cpu", "redis"))
    return median(cpu), median(redis)


def refusals(rounds: Sequence[Mapping[Kind, Load]]) -> str:
    """What each kind of request costs, and its ratio to an accepted one of the same round."""
    rows = []
    for kind in rounds[0]:
        loads = [each[kind] for each in rounds]
        ratio = median(each[kind].cpu_us / each[Kind.ACCEPTED].cpu_us for each in rounds)
        goal = GOALS.get(kind)
        kernel = f"{median(each.system_us for each in loads):.1f}"
        rate = f"{median(each.sent.rps for each in loads):.0f}"
        goal_text = "" if goal is None else f"{goal:.1f}"
        rows.append((kind, rate, *_cpu([each.cpu_us for each in loads]), kernel, f"{ratio:.2f}", goal_text))
    return table(("request", "requests/s", "CPU µs/request", "min-max", "kernel µs", "x accepted", "goal"), rows)


def parts(rounds: Sequence[Mapping[str, Load]], whole: str) -> str:
    """What the whole costs without each of its parts, and so what the part costs."""
    rows = []
    for name in rounds[0]:
        cpu = [each[name].cpu_us for each in rounds]
        apart = median(each[whole].cpu_us - each[name].cpu_us for each in rounds)
        rows.append((name, *_cpu(cpu), "" if name == whole else f"{apart:.1f}"))
    return table(("gateway", "CPU µs/request", "min-max", "difference µs"), rows)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown: the first column is text, the others are figures."""
    lines = [heads, ["---", *("---:" for _ in heads[1:])], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def publish(name: str, text: str, document: Path | None) -> None:
    """Print a table; and put it in its place in a document, between `<!-- name -->` and `<!-- end -->`.

    Raises ValueError if the document has no such place.
    """
    sys.stdout.write(f"{text}\n")
    if document is None:
        return
    before, place, rest = document.read_text().partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition("<!-- end -->")
    if not end:
        raise ValueError(f"{document} has no place for {name!r}")
    document.write_text(f"{before}{place}{text}{end}{after}")


def _cpu(cpu: Sequence[float]) -> tuple[str, str]:
    return f"{median(cpu):.1f}", f"{min(cpu):.0f}-{max(cpu):.0f}"
