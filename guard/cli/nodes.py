"""`guard nodes`: the gateways that serve the keys of the database, and how far each follows."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import typer

from guard.app.keys import open_vault
from guard.cli.key_files import wall_clock
from guard.cli.screen import complain
from guard.cli.starting import settings_or_exit
from guard.model.names import UnixMs
from guard.model.nodes import NodeStatus
from guard.state.admin_views import node_view
from guard.state.faults import StateError
from guard.state.nodes import DEAD_AFTER_MS

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

_QUIET_MS = 3000


@app.command(
    help="""\b
    guard nodes
    guard nodes --json | jq -r '.[] | select(.silent_ms > 3000) | .host'

    The gateways that serve the keys of the database: since when, when they were last heard of, which revision of the
    keys each follows, and how far its clock is from the database's.

    Exit code: 0 done, 1 the database cannot be used.
    """
)
def nodes(*, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """See `help` above."""
    try:
        head, found = asyncio.run(_asked())
    except StateError as error:
        complain(str(error))
        raise typer.Exit(1) from None
    typer.echo(msgspec.json.encode([node_view(each) for each in found]).decode() if as_json else _text(found, head))


async def _asked() -> tuple[int, tuple[NodeStatus, ...]]:
    async with open_vault(settings_or_exit()) as vault:
        return await vault.keys.head(), await vault.nodes.all(UnixMs(wall_clock()))


def _text(found: tuple[NodeStatus, ...], head: int) -> str:
    if not found:
        return "No gateway serves the keys of this database."
    rows = [("ID", "HOST", "PID", "LISTEN", "VERSION", "STARTED", "STATE", "REVISION", "CLOCK"), *map(_row, found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join([*lines, f"The keys are at revision {head}."])


def _row(status: NodeStatus) -> tuple[str, ...]:
    node = status.node
    started = datetime.fromtimestamp(node.started_at // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    clock = "-" if status.clock_offset_ms is None else f"{status.clock_offset_ms:+} ms"
    what = (node.id, node.host, str(node.pid), node.listen, node.version, started, _state(status.silent_ms))
    return (*what, str(status.revision), clock)


def _state(silent_ms: int) -> str:
    if silent_ms <= _QUIET_MS:
        return "alive"
    return f"{'gone' if silent_ms > DEAD_AFTER_MS else 'silent'} for {silent_ms // 1000} s"
