"""`guard policies`: the versions of policies that were in force, as the key database has them; and signed policies."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer

from guard.app.keys import no_policies, open_vault, overriding_of
from guard.cli.key_files import wall_clock
from guard.cli.mode_screen import list_text
from guard.cli.screen import complain
from guard.cli.starting import EXIT_USAGE, rules_or_exit, settings_or_exit
from guard.model.overrides import Override
from guard.model.policy_versions import PolicyVersion
from guard.policy.diagnostic import visible
from guard.policy.signed import named
from guard.signing.audit_key import AuditKey
from guard.signing.policy_signature import SIGNATURE_FILE, sign_policies
from guard.state.faults import StateError
from guard.state.key_file import KeyFile
from guard.state.vault import Vault

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    help="The versions of policies that were in force, newest first, and their files; and signing policies.",
)

_Answer = TypeVar("_Answer")


@app.command("list")
def list_versions(*, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Which policies were in force: since when, by whom, why, and what they changed of those before."""
    found, overrides = _asked(_all)
    typer.echo(msgspec.json.encode(found).decode() if as_json else _text(found))
    if overrides and not as_json:
        typer.echo(f"\nModes that are others for a while:\n{list_text(overrides)}")


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


@app.command(
    "keygen",
    help="""\b
    guard policies keygen security.key >> signers.pem

    Make the private key of a signer in a new file, for its owner's eyes only, and print the public one: for
    GUARD_POLICY_SIGNERS_FILE.

    Exit code: 0 made, 1 there is such a file, or it cannot be made.
    """,
)
def keygen(file: Annotated[Path, typer.Argument(help="The new private key.", show_default=False)]) -> None:
    """See `help` above."""
    try:
        key = AuditKey(KeyFile(file, "signing key", "").create())
    except FileExistsError:
        complain(f"{visible(str(file))} is there already, and stays as it is")
        raise typer.Exit(1) from None
    except StateError as error:
        complain(str(error))
        raise typer.Exit(1) from None
    typer.echo(f"# {key.id}\n{key.public_pem()}", nl=False)


@app.command(
    "sign",
    help="""\b
    guard policies sign /etc/guard/policies --key security.key

    Sign exactly the policy files that are in a directory, into policies.sig beside them. They must be in order.

    Exit code: 0 signed, 1 a file cannot be used, 3 the policies are not in order.
    """,
)
def sign(
    directory: Annotated[Path, typer.Argument(help="A policy directory.", show_default=False)],
    *,
    key: Annotated[Path, typer.Option(help="The private key: `guard policies keygen` makes one.")],
) -> None:
    """See `help` above."""
    rules = rules_or_exit(directory)
    try:
        signer = AuditKey(KeyFile(key, "signing key", "`guard policies keygen FILE` makes one").load())
        signature = sign_policies(named(rules.files), signer, wall_clock())
        _replace(directory / SIGNATURE_FILE, signature)
    except (StateError, OSError) as error:
        complain(str(error))
        raise typer.Exit(1) from None
    typer.echo(f"{len(named(rules.files))} files signed by {signer.id}: {visible(str(directory / SIGNATURE_FILE))}")


def _replace(path: Path, content: bytes) -> None:
    """Whoever reads sees the old signature or the new."""
    draft = path.with_name(f".{path.name}.new")
    draft.write_bytes(content)
    draft.replace(path)


async def _all(vault: Vault) -> tuple[tuple[PolicyVersion, ...], tuple[Override, ...]]:
    return await vault.policies.all(), await overriding_of(vault, no_policies).overrides()


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
