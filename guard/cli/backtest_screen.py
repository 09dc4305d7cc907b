"""How a backtest looks: for a person as tables, for a program as JSON; and the condition under which it fails."""

import operator
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from guard.cli.screen import one_line
from guard.service.comparison import Comparison

_CONDITION = re.compile(r"\s*(newly_denied|newly_allowed)\s*(>=|>)\s*([0-9]+(?:\.[0-9]+)?)(%?)\s*")
_OPERATORS: dict[str, Callable[[float, float], bool]] = {">": operator.gt, ">=": operator.ge}
_NOT_REPLAYED = (
    "Signatures and bodies are in no log: outcomes of auth are those of the log. Limits of requests at once are\n"
    "not replayed, and clients that had been refused might have gone on differently."
)


class Run(msgspec.Struct, frozen=True):
    """A backtest that is done. `before` is what it was compared with: `log` or `old`; `top` keys are shown."""

    compared: Comparison
    unread: int
    took_s: float
    before: str
    top: int


def condition(text: str) -> Callable[[Comparison], bool]:
    """`newly_denied > 0.1%` as a question. Raises ValueError."""
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not newly_denied or newly_allowed, > or >=, and a number or a share like 0.1%")
    name, compare, bound, percent = found[1], _OPERATORS[found[2]], float(found[3]), found[4]

    def holds(compared: Comparison) -> bool:
        count: int = getattr(compared, name)
        return compare(100 * count / compared.lines if percent else count, bound)

    return holds


def run_text(run: Run) -> str:
    """Tables for a person."""
    compared = run.compared
    lines = [_span(run), _NOT_REPLAYED, "", *_outcomes(run), "", _changes(compared)]
    if compared.affected and run.top:
        lines += ["", *_affected(compared, run.top)]
    fill = compared.fill_p95()
    if fill:
        told = ", ".join(f"{name} {percent}%" for name, percent in fill.items())
        lines += ["", f"How full meters were, 95 of 100 requests or fewer: {told}"]
    if run.unread:
        lines.append(f"{run.unread:,} lines could not be read.")
    return "\n".join(lines)


def run_json(run: Run) -> str:
    """Everything for a program."""
    compared = run.compared
    told: dict[str, Any] = {
        "lines": compared.lines,
        "unread": run.unread,
        "began_at_ms": compared.began_at,
        "ended_at_ms": compared.ended_at,
        "took_s": round(run.took_s, 3),
        "compared_with": run.before,
        "before": dict(sorted(compared.before.items())),
        "after": dict(sorted(compared.after.items())),
        "shadow": dict(sorted(compared.shadow.items())),
        "newly_denied": compared.newly_denied,
        "newly_allowed": compared.newly_allowed,
        "affected": [
            {"subject": one.subject, "denied": one.count, "first_at_ms": one.first_at, "reasons": dict(one.reasons)}
            for one in compared.most_affected(run.top)
        ],
        "fill_p95_percent": compared.fill_p95(),
    }
    return msgspec.json.encode(told).decode()


def _span(run: Run) -> str:
    compared = run.compared
    span = f"{_time(compared.began_at or 0)} to {_time(compared.ended_at)}"
    faster = compared.lasted_ms / 1000 / run.took_s if run.took_s else 0.0
    pace = f", {faster:,.0f} times faster than it happened" if compared.lasted_ms else ""
    return f"{compared.lines:,} requests, {span}, judged in {run.took_s:.1f} s{pace}."


def _outcomes(run: Run) -> list[str]:
    before, after, shadow = run.compared.before, run.compared.after, run.compared.shadow
    rows = [("OUTCOME", run.before.upper(), "NEW")]
    codes = sorted(before.keys() | after.keys(), key=lambda code: (code != "allow", code))
    rows += [(one_line(code), f"{before[code]:,}", f"{after[code]:,}") for code in codes]
    rows += [(f"{code} (shadow)", "", f"{count:,}") for code, count in sorted(shadow.items())]
    return _table(rows, numbers=(1, 2))


def _changes(compared: Comparison) -> str:
    share = f"{100 * compared.newly_denied_share:.2f}%"
    others = f" and more ({compared.others_denied:,} requests)" if compared.others_denied else ""
    whom = f"{len(compared.affected):,} keys or addresses{others}"
    return f"newly denied {compared.newly_denied:,} ({share}), to {whom}; newly allowed {compared.newly_allowed:,}."


def _affected(compared: Comparison, top: int) -> list[str]:
    rows = [("KEY OR ADDRESS", "DENIED", "FIRST", "BY")]
    for one in compared.most_affected(top):
        reasons = ", ".join(code for code, _ in one.reasons.most_common())
        rows.append((one_line(one.subject), f"{one.count:,}", _time(one.first_at), reasons))
    return _table(rows, numbers=(1,))


def _table(rows: Sequence[tuple[str, ...]], *, numbers: tuple[int, ...]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if place in numbers else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
