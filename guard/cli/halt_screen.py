"""How halts look: for a person as text, for a program as JSON."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from guard.cli.in_force import force_text, force_told
from guard.cli.screen import one_line
from guard.model.halts import Halt
from guard.service.enforcement import Force
from guard.service.halting import over
from guard.state.admin_views import halt_view


def halt_told(halt: Halt) -> dict[str, Any]:
    """For a program."""
    told: dict[str, Any] = msgspec.to_builtins(halt_view(halt))
    return told


def halted_json(halt: Halt, force: Force) -> str:
    """A new halt, and whether it is in force."""
    return msgspec.json.encode({**halt_told(halt), "nodes": force_told(force)}).decode()


def halted_text(halt: Halt, force: Force) -> str:
    """A new halt, whether it is in force, and what it stops: an operator in haste should not have to look that up."""
    lines = [force_text(f"{halt.id}: {over(halt.kind, halt.name)} is halted", force), f"  {_passing(halt)}"]
    lines.append(f"  `guard halt lift {halt.id} --why …` ends it.")
    return "\n".join(lines)


def lifted_json(halts: tuple[Halt, ...], force: Force) -> str:
    """What was lifted, and whether that is in force."""
    return msgspec.json.encode({"lifted": [halt_told(halt) for halt in halts], "nodes": force_told(force)}).decode()


def lifted_text(halts: tuple[Halt, ...], force: Force, left: tuple[Halt, ...]) -> str:
    """What was lifted, whether that is in force, and how many halts there are still."""
    names = ", ".join(f"{halt.id} ({over(halt.kind, halt.name)})" for halt in halts)
    still = "Nothing else is halted." if not left else f"Still in force: {len(left)}. `guard halt list` shows them."
    return f"{force_text(f'Lifted {names}', force)}\n  {still}"


def list_json(halts: tuple[Halt, ...]) -> str:
    """A list for a program."""
    return msgspec.json.encode([halt_told(halt) for halt in halts]).decode()


def list_text(halts: tuple[Halt, ...]) -> str:
    """A table for a person."""
    if not halts:
        return "Nothing is halted."
    rows = [("ID", "OVER", "PASSES", "SINCE", "BY", "WHY"), *map(_row, halts)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _row(halt: Halt) -> tuple[str, ...]:
    until = "" if halt.lifted_at is None else f" until {_time(halt.lifted_at)}"
    passes = ",".join(word for word, does in (("reads", halt.reads_only), ("cancels", halt.with_cancels)) if does)
    what = (halt.id, over(halt.kind, halt.name), passes or "-", _time(halt.since) + until)
    return (*what, one_line(halt.actor), one_line(halt.why))


def _passing(halt: Halt) -> str:
    if halt.reads_only and halt.with_cancels:
        return "Reads and cancels pass; everything else is refused."
    if halt.reads_only:
        return "Reads pass; everything else is refused, cancels too (--with-cancels lets them pass)."
    if halt.with_cancels:
        return "Cancels pass; everything else is refused."
    return "Everything is refused, cancels too (--with-cancels lets them pass)."


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
