"""`guard admin tokens …`: tokens of administrators, made and ended on the key database itself."""

from typing import Annotated

import msgspec
import typer

from guard.app.keys import open_admins
from guard.cli.key_files import expiry
from guard.cli.people_screen import tokens_text
from guard.cli.vault import AsJson, answer_of
from guard.cli.who import Actor, Why, by
from guard.model.admins import Role
from guard.state.admin_views import token_view

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False, no_args_is_help=True)
tokens = typer.Typer(
    no_args_is_help=True,
    help="""\b
    guard admin tokens create --name alice --role admin
    guard admin tokens list
    guard admin tokens revoke gt_…

    Tokens for the admin API. A revoked one opens nothing from then on.

    Exit code: 0 done, 1 refused or not found, 2 wrong arguments.
    """,
)
app.add_typer(tokens, name="tokens", short_help="Make, list and end tokens.")


@app.callback()
def admin() -> None:
    """Administrators: who may use the admin API."""


@tokens.command(
    short_help="Make a token. It is shown now and never again.",
    help="""\b
    guard admin tokens create --name alice --role admin
    guard admin tokens create --name ci --role operator --expires 90d
    guard admin tokens create --name auditor --role viewer --json

    Make a token. It is shown now and never again. Its name is the actor in the audit trail.
    """,
)
def create(
    *,
    name: Annotated[str, typer.Option(help="Whose it is.", show_default=False)],
    role: Annotated[Role, typer.Option(help="viewer reads, operator works with keys, admin may all.")] = Role.VIEWER,
    expires: Annotated[str | None, typer.Option(help="How long it is good for, such as 90d.")] = None,
    actor: Actor = None,
    why: Why = "",
    as_json: AsJson = False,
) -> None:
    """See `help` above."""
    expires_at_ms = expiry(expires)
    issued = answer_of(
        open_admins, lambda admins: admins.create(name, role, by(actor, why), expires_at_ms=expires_at_ms)
    )
    if as_json:
        told = {**msgspec.to_builtins(token_view(issued.token)), "secret": issued.text}
        typer.echo(msgspec.json.encode(told).decode())
        return
    typer.echo(f"id     {issued.token.id}\ntoken  {issued.text}")
    typer.echo("The token is shown this once. guard keeps only its hash.")


@tokens.command("list", short_help="Every token, oldest first, without the token itself.")
def list_(*, as_json: AsJson = False) -> None:
    """Every token, oldest first, without the token itself."""
    found = tuple(token_view(token) for token in answer_of(open_admins, lambda admins: admins.all()))
    typer.echo(msgspec.json.encode(found).decode() if as_json else tokens_text(found))


@tokens.command(short_help="End a token at once.")
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", show_default=False)],
    *,
    actor: Actor = None,
    why: Why = "",
    as_json: AsJson = False,
) -> None:
    """End a token at once."""
    token = answer_of(open_admins, lambda admins: admins.revoke(token_id, by(actor, why)))
    typer.echo(
        msgspec.json.encode(token_view(token)).decode() if as_json else f"{token.id} of {token.name} is revoked."
    )
