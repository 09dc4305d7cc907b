"""`guard keys revoke`: one key, or all those of a choice in one transaction, shown and asked about before."""

import sys
from typing import Annotated

import msgspec
import typer

from guard.app.keys import open_keyring, open_revoking
from guard.cli.in_force import force_text, force_told
from guard.cli.key_files import duration, listed
from guard.cli.key_screen import changed_json, changed_text
from guard.cli.vault import EXIT_REFUSED, answer_of
from guard.cli.who import Actor, Why, by
from guard.core.lifecycle import KeyCommand
from guard.service.keyring import Keyring
from guard.service.revoking import Choice, Revoking
from guard.state.key_rows import KeyView

SUMMARY = "End a key for good, or many at once. They stay in the list."
HELP = """\b
    guard keys revoke gk_… --why "ticket 4711"
    guard keys revoke --account acme --why "left" --dry-run
    guard keys revoke --idle 90d --why "unused"
    guard keys revoke --network 203.0.113.0/24 --scopes withdraw --older-than 90d --why "leak" --yes

    End a key for good, or all keys that are chosen: all of them or none, each with its audit record. A key is chosen if
    everything that is given holds for it; --network means keys whose allowed networks all lie within that one. What
    will be done is shown first, and on a terminal asked about. Keys stay in the list; no way leads back.
    """

_SHOWN = 5


def revoke(
    key_id: Annotated[str | None, typer.Argument(metavar="[ID]", show_default=False)] = None,
    *,
    account: Annotated[str | None, typer.Option(help="All keys of this account.")] = None,
    older_than: Annotated[str | None, typer.Option(help="All keys made longer ago, such as 90d.")] = None,
    idle: Annotated[
        str | None, typer.Option(help="All keys unused for so long, such as 90d, and bound to no network.")
    ] = None,
    network: Annotated[str | None, typer.Option(help="All keys bound to networks within this one (CIDR).")] = None,
    scopes: Annotated[str, typer.Option(help="Of these only keys with one of these scopes, with commas.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show which keys, and revoke none.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    actor: Actor = None,
    why: Why = "",
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """See `HELP` above."""
    choice = Choice(
        account=account,
        older_than_ms=None if older_than is None else duration(older_than, "--older-than"),
        idle_ms=None if idle is None else duration(idle, "--idle"),
        network=network,
        scopes=listed(scopes),
    )
    if key_id is None:
        _revoke_all(choice, actor, why, dry_run=dry_run, yes=yes, as_json=as_json)
    elif choice == Choice() and not dry_run:
        _revoke_one(key_id, actor, why, as_json=as_json)
    else:
        raise typer.BadParameter("either one ID, or a choice of keys", param_hint="ID")


def _revoke_one(key_id: str, actor: str | None, why: str, *, as_json: bool) -> None:
    async def done(keyring: Keyring) -> str:
        key = await keyring.command(key_id, KeyCommand.DEACTIVATE, by(actor, why))
        force = await keyring.in_force(key.revision)
        return changed_json(key, force) if as_json else changed_text(key, force)

    typer.echo(answer_of(open_keyring, done))


def _revoke_all(choice: Choice, actor: str | None, why: str, *, dry_run: bool, yes: bool, as_json: bool) -> None:
    chosen = answer_of(open_revoking, lambda line: line[0].chosen(choice))
    if dry_run:
        typer.echo(_json(chosen, {"dry_run": True}) if as_json else f"Would revoke {_named(chosen)}.")
        return
    if not yes and _is_terminal() and not typer.confirm(f"Revoke {_named(chosen)}?", err=True):
        raise typer.Exit(EXIT_REFUSED)

    async def done(line: tuple[Revoking, Keyring]) -> str:
        revoking, keyring = line
        revoked = await revoking.revoke(choice, by(actor, why))
        force = await keyring.in_force(revoked[0].revision)
        if as_json:
            return _json(revoked, {"nodes": force_told(force)})
        return force_text(f"Revoked {_named(revoked)}", force)

    typer.echo(answer_of(open_revoking, done))


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _named(keys: tuple[KeyView, ...]) -> str:
    accounts = {key.account for key in keys}
    whose = f"account {keys[0].account}" if len(accounts) == 1 else f"{len(accounts)} accounts"
    first = ", ".join(key.id for key in keys[:_SHOWN])
    rest = f", … and {len(keys) - _SHOWN:,} more" if len(keys) > _SHOWN else ""
    return f"{len(keys):,} {'key' if len(keys) == 1 else 'keys'} of {whose} ({first}{rest})"


def _json(keys: tuple[KeyView, ...], more: dict[str, object]) -> str:
    return msgspec.json.encode({"count": len(keys), "keys": [key.id for key in keys], **more}).decode()
