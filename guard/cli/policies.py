"""`guard policies`: the versions of policies that were in force, as the key database has them."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import msgspec
import typer

from guard.app.keys import open_vault
from guard.cli.screen import complain
from guard.cli.starting import EXIT_USAGE, settings_or_exit
from guard.model.policy_versions import PolicyVersion
from guard.policy.diagnostic import visible
from guard.state.faults import StateError
from guard.state.vault import Vault

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    help="The versions of policies that were in force, newest first, and their files.",
)

_Answer = TypeVar("_Answer")


@app.command("list")
def list_versions(*, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Which policies were in force: since when, by whom, why, and what they changed of those before."""
    found = _asked(lambda vault: vault.policies.all())
    typer.echo(msgspec.json.encode(found).decode() if as_json else _text(found))


@app.command("show")
def show(
    digest: Annotated[str, typer.Argument(help="As `guard policies list` names it.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="An object: contents by path.")] = False,
) -> None:
    """The policy files of a version."""
    files = _asked(lambda vault: vault.policies.files(digest))
    if files is None:
        complain(f"no version {visible(digest)} is kept: `guard policies list` shows those that are")
        raise typer.Exit(EXIT_USAGE)
    texts = {path: content.decode(errors="replace") for path, content in files.items()}
    if as_json:
        typer.echo(msgspec.json.encode(texts).decode())
        return
    for path, text in texts.items():
        typer.echo(f"# {visible(path)}\n{text.rstrip()}\n")


def _asked(question: Callable[[Vault], Awaitable[_Answer]]) -> _Answer:
    async def asked() -> _Answer:
        async with open_vault(settings_or_exit()) as vault:
            return await question(vault)

    try:
        return asyncio.run(asked())
    except StateError as error:
        complain(str(error))
        raise typer.Exit(1) from None


def _text(found: tuple[PolicyVersion, ...]) -> str:
    if not found:
        return "No policies were reloaded yet."
    rows = [("DIGEST", "SINCE", "BY", "WHY", "CHANGED"), *map(_row, found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _row(version: PolicyVersion) -> tuple[str, ...]:
    since = datetime.fromtimestamp(version.at // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    by = (visible(version.actor) or "-", visible(version.why) or "-", version.summary or "-")
    return (version.digest, since, *by)
