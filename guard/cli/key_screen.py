"""How keys look: for a person as text, for a program as JSON. A secret is shown for a new key only."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from guard.cli.in_force import force_text, force_told
from guard.cli.key_files import wall_clock
from guard.cli.screen import one_line
from guard.model.audit import AuditRecord
from guard.model.keys import KeyAlgorithm, KeyState
from guard.service.enforcement import Force
from guard.service.keyring import Issued
from guard.state.key_rows import KeyView


def as_text(keys: KeyView | tuple[KeyView, ...]) -> str:
    """One line of JSON."""
    return msgspec.json.encode(keys).decode()


def issued_json(issued: Issued, out: Path | None) -> str:
    """A new key for a program: with its secret, unless it has none or it was written to `out`."""
    key = issued.key
    told: dict[str, object] = {"id": key.id}
    if issued.secret is not None and out is None:
        told["secret"] = issued.secret
    told |= {
        "account": key.account,
        "scopes": key.scopes,
        "algorithm": key.algorithm,
        "state": key.state,
        "expires_at_ms": key.expires_at_ms,
    }
    return msgspec.json.encode(told).decode()


def issued_text(issued: Issued, out: Path | None) -> str:
    """A new key for a person."""
    key, secret = issued.key, issued.secret
    lines = [f"key     {key.id}"]
    if secret is not None and out is None:
        lines.append(f"secret  {secret}")
        if key.algorithm == KeyAlgorithm.API_KEY:
            lines.append(f"field   Guard-Api-Key: {key.id}.{secret}")
    lines.append(_rights(key))
    if key.rotated_from is not None:
        lines.append(f"{key.rotated_from} goes on until its overlap ends: `guard keys show {key.rotated_from}`.")
    if out is not None:
        lines.append(f"Written to {out}, which only you can read.")
    elif secret is not None:
        lines.append("The secret is shown this once. guard keeps it sealed and will not show it again.")
    return "\n".join(lines)


def changed_json(key: KeyView, force: Force) -> str:
    """A key that was changed, and whether that is in force, for a program."""
    return msgspec.json.encode({**msgspec.to_builtins(key), "nodes": force_told(force)}).decode()


def changed_text(key: KeyView, force: Force) -> str:
    """A key that was changed, and whether that is in force, for a person."""
    return force_text(f"{key.id} is {key.state}", force)


def list_text(keys: tuple[KeyView, ...]) -> str:
    """A table for a person."""
    if not keys:
        return "There are no keys yet: `guard keys create --account NAME --scopes read,trade` makes one."
    now = wall_clock()
    rows = [("ID", "ACCOUNT", "STATE", "ALGORITHM", "SCOPES", "LAST USED", "LABEL")]
    for key in keys:
        used = "never" if key.last_used_at_ms is None else time_text(key.last_used_at_ms)
        row = (key.id, key.account, _standing(key, now), key.algorithm, ",".join(key.scopes) or "-", used, key.label)
        rows.append(row)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def key_text(key: KeyView, history: tuple[AuditRecord, ...]) -> str:
    """One key and what was done to it, for a person."""
    lines = [f"key     {key.id}", f"state   {_standing(key, wall_clock())}", _rights(key)]
    if key.rotated_from is not None:
        lines.append(f"rotated from {key.rotated_from}")
    for done in history:
        why = f": {one_line(done.why)}" if done.why else ""
        lines.append(f"{time_text(done.at_ms)}  {done.command} by {one_line(done.actor)}{why}")
    return "\n".join(lines)


def key_json(key: KeyView, history: tuple[AuditRecord, ...]) -> str:
    """One key and what was done to it, for a program."""
    told = msgspec.to_builtins(key) | {"history": [_told(done) for done in history]}
    return msgspec.json.encode(told).decode()


def _told(done: AuditRecord) -> dict[str, object]:
    return {
        "revision": done.revision,
        "at_ms": done.at_ms,
        "actor": done.actor,
        "from": done.origin,
        "command": done.command,
        "why": done.why,
        "before": done.before,
        "after": done.after,
    }


def _rights(key: KeyView) -> str:
    scopes = ", ".join(key.scopes) or "none"
    networks = ", ".join(key.networks) or "anywhere"
    tier = f", tier {key.tier}" if key.tier is not None else ""
    return f"account {key.account}, scopes {scopes}, {key.algorithm}, from {networks}{tier}{_bounds(key)}"


def _bounds(key: KeyView) -> str:
    if key.bounds is None:
        return ""
    if key.bounds.honeytoken:
        return ", a honeytoken"
    uses = [f"for {' and '.join(key.bounds.uses)} alone"] if key.bounds.uses else []
    only = [f"{name} {', '.join(values)} alone" for name, values in key.bounds.only.items()]
    return ", " + ", ".join((*uses, *only))


def _standing(key: KeyView, now: int) -> str:
    """The state, and the end that has come or will come by itself."""
    if key.state != KeyState.ACTIVE:
        return key.state
    ends = [at for at in (key.expires_at_ms, key.dies_at_ms) if at is not None]
    if not ends:
        return key.state
    end = min(ends)
    return f"ended {time_text(end)}" if end <= now else f"active until {time_text(end)}"


def time_text(at_ms: int) -> str:
    """A time, to the second."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
