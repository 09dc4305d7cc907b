"""How bans look: for a person as text, for a program as JSON."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from guard.cli.in_force import force_text, force_told
from guard.cli.screen import one_line
from guard.model.bans import Ban
from guard.service.enforcement import Force
from guard.state.admin_views import ban_view


def done_json(bans: tuple[Ban, ...], force: Force) -> str:
    """What was done, and whether it is in force."""
    return msgspec.json.encode({"bans": list(map(_told, bans)), "nodes": force_told(force)}).decode()


def done_text(verb: str, bans: tuple[Ban, ...], force: Force) -> str:
    """The same for a person."""
    return force_text(f"{verb} {', '.join(f'{ban.id} ({_who(ban)}, until {_time(ban.until)})' for ban in bans)}", force)


def list_json(bans: tuple[Ban, ...]) -> str:
    """A list for a program."""
    return msgspec.json.encode(list(map(_told, bans))).decode()


def list_text(bans: tuple[Ban, ...]) -> str:
    """A table for a person."""
    if not bans:
        return "Nobody is banned."
    rows = [("ID", "WHO", "WHAT", "UNTIL", "STRIKES", "BY", "WHY"), *map(_row, bans)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def show_json(ban: Ban) -> str:
    """One for a program."""
    return msgspec.json.encode(_told(ban)).decode()


def show_text(ban: Ban) -> str:
    """One for a person, with its evidence."""
    until = _time(ban.until) if ban.lifted_at is None else f"{_time(ban.lifted_at)}, when it was lifted"
    lines = [
        f"{ban.id}: {_who(ban)}, {_what(ban)}",
        f"  service   {ban.service or 'all'}",
        f"  since     {_time(ban.since)}",
        f"  until     {until}",
        f"  by        {one_line(ban.actor)}: {one_line(ban.why)}",
    ]
    if ban.rule is not None:
        lines.append(f"  rule      {one_line(str(ban.rule))}")
        lines.append(f"  score     {ban.points}, strikes {ban.strikes}")
    if ban.evidence is not None:
        fired = ", ".join(f"{name} × {count}" for name, count in ban.evidence.signals.items())
        lines.append(f"  signals   {fired}")
        lines.append(f"  requests  {' '.join(ban.evidence.requests)}")
    return "\n".join(lines)


def _told(ban: Ban) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(ban_view(ban))
    return told


def _row(ban: Ban) -> tuple[str, ...]:
    until = _time(ban.until) if ban.lifted_at is None else f"lifted {_time(ban.lifted_at)}"
    return (ban.id, _who(ban), _what(ban), until, str(ban.strikes), one_line(ban.actor), one_line(ban.why))


def _who(ban: Ban) -> str:
    return f"{ban.kind} {one_line(ban.name)}"


def _what(ban: Ban) -> str:
    return f"{ban.action} (shadow)" if ban.is_shadow else ban.action.value


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
