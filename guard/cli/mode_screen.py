"""How overridden modes look: for a person as text, for a program as JSON."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from guard.cli.in_force import force_text, force_told
from guard.cli.screen import one_line
from guard.model.overrides import Override
from guard.service.enforcement import Force
from guard.state.admin_views import override_view


def done_json(overrides: tuple[Override, ...], force: Force) -> str:
    """What was done, and whether it is in force."""
    return msgspec.json.encode({"overrides": list(map(_told, overrides)), "nodes": force_told(force)}).decode()


def overridden_text(override: Override, force: Force) -> str:
    """A new override for a person: what it does, until when, and how it ends sooner."""
    head = f"{override.id}: {_what(override)} until {_time(override.until)}"
    return f"{force_text(head, force)}\n  `guard mode lift {override.id} --why …` ends it sooner."


def lifted_text(overrides: tuple[Override, ...], force: Force) -> str:
    """What was lifted, for a person."""
    return force_text(f"Lifted {', '.join(f'{each.id} ({_what(each)})' for each in overrides)}", force)


def list_json(overrides: tuple[Override, ...]) -> str:
    """A list for a program."""
    return msgspec.json.encode(list(map(_told, overrides))).decode()


def list_text(overrides: tuple[Override, ...]) -> str:
    """A table for a person."""
    if not overrides:
        return "No mode is overridden."
    rows = [("ID", "SERVICE", "RULE", "MODE", "UNTIL", "BY", "WHY"), *map(_row, overrides)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _told(override: Override) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(override_view(override))
    return told


def _row(override: Override) -> tuple[str, ...]:
    until = _time(override.until) if override.lifted_at is None else f"lifted {_time(override.lifted_at)}"
    said = (override.service or "all", one_line(override.rule), override.mode.value, until)
    return (override.id, *said, one_line(override.actor), one_line(override.why))


def _what(override: Override) -> str:
    where = f" in {override.service}" if override.service else ""
    return f"{one_line(override.rule)} {override.mode}{where}"


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
