"""`guard audit …`: the trail of what was done, verified, listed and exported. What makes it whole is
`signing/audit_chain.py`.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from guard.app.audit import open_audit_key, sign_checkpoint
from guard.app.keys import open_vault
from guard.cli.audit_screen import record_text, verdict_json, verdict_text
from guard.cli.key_files import wall_clock
from guard.cli.progress import progress
from guard.cli.screen import complain
from guard.cli.starting import settings_or_exit
from guard.model.audit import AuditRecord
from guard.policy.units import UnitFault, duration_ms
from guard.service.auditing import export_trail, verify_trail
from guard.settings import Settings
from guard.signing.audit_chain import Broken, Whole, verified_export
from guard.signing.audit_key import public_keys_of
from guard.state.audit import AuditTrail
from guard.state.faults import StateError
from guard.wire.audit_lines import DOCUMENT_BYTES_MAX, value_of

EXIT_REFUSED = 1

_LINE_BYTES_MAX = DOCUMENT_BYTES_MAX + 1024

_FILE: Any = {"exists": True, "dir_okay": False}

Answer = TypeVar("Answer")

AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    help="""\b
    guard audit verify
    guard audit list --subject gk_… --since 24h
    guard audit export > audit.jsonl && guard audit verify audit.jsonl --public-key audit.pem

    Verify, list and export the trail of everything that was done to keys and policies, and by whom.

    Exit code: 0 done, 1 broken or unreadable, 2 wrong arguments.
    """,
)


@app.command(
    short_help="Whether the trail is whole: of this database, or of an export.",
    help="""\b
    guard audit verify
    guard audit verify --checkpoints /mnt/elsewhere/checkpoints.jsonl
    guard audit verify audit.jsonl --public-key audit.pem --json

    Whether the trail is whole, and if not, the first link that is broken. Without FILE, that of this database; with it,
    an export, anywhere: an export needs no database and no key but the public one.

    Exit code: 0 whole, 1 broken or unreadable, 2 wrong arguments.
    """,
)
def verify(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", show_default=False, help="An export.", **_FILE)
    ] = None,
    *,
    public_key: Annotated[list[Path] | None, typer.Option(help="Of who signs; can be repeated.", **_FILE)] = None,
    checkpoints: Annotated[Path | None, typer.Option(help="Checkpoints kept elsewhere.", **_FILE)] = None,
    as_json: AsJson = False,
) -> None:
    """See `help` above."""
    keys = _public_keys(public_key or [])
    with progress("records") as show:
        if file is None:
            verdict = _answer(lambda settings, trail: _verified_here(settings, trail, keys, checkpoints, show))
        else:
            verdict = verified_export(_counted(chain(_lines(file), _lines(checkpoints)), show), keys or None)
    signatures_read = file is None or bool(keys)
    render = verdict_json if as_json else verdict_text
    typer.echo(render(verdict, signatures_read=signatures_read))
    if isinstance(verdict, Broken):
        raise typer.Exit(EXIT_REFUSED)


@app.command(
    "list",
    short_help="What was done, oldest first.",
    help="""\b
    guard audit list --since 24h
    guard audit list --subject gk_… --command deactivate
    guard audit list --actor alice --json | jq -r .subject.id

    What was done, oldest first. A record must meet every filter that is given.
    """,
)
def list_(
    *,
    subject: Annotated[str | None, typer.Option(help="The id of what it was done to, or its kind: key.")] = None,
    actor: Annotated[str | None, typer.Option(help="Who did it.")] = None,
    since: Annotated[str | None, typer.Option(help="24h, or a time such as 2026-11-28T12:00:00Z.")] = None,
    command: Annotated[str | None, typer.Option(help="What was done: create, deactivate, …")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One document a line, as it is stored.")] = False,
) -> None:
    """See `help` above."""
    since_ms = 0 if since is None else _since(since)

    async def show(_: Settings, trail: AuditTrail) -> None:
        async for stored in trail.stored_records(await trail.extent()):
            record = value_of(stored.document, AuditRecord)
            if record is None:
                raise StateError(f"record {stored.number} cannot be read: `guard audit verify` says what is broken")
            about = subject in (None, record.subject.id, record.subject.kind)
            by = actor in (None, record.actor) and command in (None, record.command)
            if about and by and record.at_ms >= since_ms:
                typer.echo(stored.document if as_json else record_text(record))

    _answer(show)


@app.command(
    short_help="Write the whole trail to standard output, for an auditor.",
    help="""\b
    guard audit export > audit.jsonl
    guard audit export | gzip > audit.jsonl.gz
    guard audit export | tail -n 1 | jq .checkpoint

    Write the whole trail to standard output: records, then checkpoints, the last one signed now. Its form is in
    docs/audit.md.
    """,
)
def export() -> None:
    """See `help` above."""

    async def write(settings: Settings, trail: AuditTrail) -> None:
        await sign_checkpoint(trail, open_audit_key(settings), wall_clock, settings.audit_checkpoints)
        with progress("lines") as show:
            count = 0
            async for line in export_trail(trail):
                sys.stdout.buffer.write(line + b"\n")
                count += 1
                show(count)
        sys.stdout.buffer.flush()

    _answer(write)


@app.command(
    short_help="Print the public key that verifies checkpoints.",
    help="""\b
    guard audit key > audit.pem
    guard audit verify audit.jsonl --public-key audit.pem
    GUARD_AUDIT_KEY_FILE=/etc/guard/audit.key guard audit key

    Print the public key that verifies checkpoints, as a PEM file. The key is made if there is none yet.
    """,
)
def key() -> None:
    """See `help` above."""
    try:
        typer.echo(open_audit_key(settings_or_exit()).public_pem(), nl=False)
    except StateError as error:
        complain(str(error))
        raise typer.Exit(EXIT_REFUSED) from None


async def _verified_here(
    settings: Settings,
    trail: AuditTrail,
    keys: Mapping[str, bytes],
    checkpoints: Path | None,
    show: Callable[[int], None],
) -> Whole | Broken:
    """The trail of this database, against its own key, those given, and the checkpoints that were kept elsewhere."""
    if settings.audit_key.exists():
        own = open_audit_key(settings)
        keys = {own.id: own.public, **keys}
    kept = settings.audit_checkpoints
    if checkpoints is None and kept is not None and kept.exists():
        checkpoints = kept
    return await verify_trail(trail, keys, _lines(checkpoints), show)


def _lines(file: Path | None) -> Iterator[bytes]:
    """The lines that a file holds now. One that is longer than any line may be comes in pieces, which are no lines."""
    if file is None:
        return iter(())
    size = file.stat().st_size
    return _lines_within(file, size)


def _lines_within(file: Path, size: int) -> Iterator[bytes]:
    with file.open("rb") as reading:
        while size > 0 and (line := reading.readline(min(size, _LINE_BYTES_MAX))):
            size -= len(line)
            yield line


def _counted(lines: Iterable[bytes], show: Callable[[int], None]) -> Iterator[bytes]:
    for count, line in enumerate(lines):
        show(count)
        yield line


def _public_keys(files: list[Path]) -> Mapping[str, bytes]:
    try:
        return public_keys_of(file.read_bytes() for file in files)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--public-key") from None


def _since(text: str) -> int:
    try:
        return wall_clock() - duration_ms(text)
    except UnitFault:
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise typer.BadParameter(f"{text!r}: write 24h, or 2026-11-28T12:00:00Z", param_hint="--since")
    return int(at.timestamp() * 1000)


def _answer(ask: Callable[[Settings, AuditTrail], Awaitable[Answer]]) -> Answer:
    """What is asked of the trail. What cannot be read ends the program with its sentence and code 1."""
    try:
        return asyncio.run(_asked(ask))
    except (StateError, OSError) as error:
        complain(str(error))
        raise typer.Exit(EXIT_REFUSED) from None


async def _asked(ask: Callable[[Settings, AuditTrail], Awaitable[Answer]]) -> Answer:
    settings = settings_or_exit()
    async with open_vault(settings) as vault:
        return await ask(settings, vault.trail)
