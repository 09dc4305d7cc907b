"""`guard rollback`: policies that were in force come back, on all nodes, through the admin API of one that runs."""

from typing import Annotated

import typer

from guard.cli.admin_client import TokenFile, called
from guard.cli.screen import complain
from guard.cli.starting import settings_or_exit
from guard.policy.diagnostic import visible

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

EXIT_REFUSED = 1


@app.command(
    help="""\b
    guard rollback 3f2a91c --why INC-42
    guard rollback 3f2a91c --why INC-42 --url https://guard.internal --token-file alice.token

    Put a version of `guard policies list` in force again, on all nodes. The policy files stay as they are, and count
    again when they change.

    Exit code: 0 in force where it was asked, 1 refused or it waits for a second person, 2 usage.
    """
)
def rollback(
    digest: Annotated[str, typer.Argument(help="As `guard policies list` names it.", show_default=False)],
    *,
    why: Annotated[str, typer.Option(help="The reason, for the audit trail.", show_default=False)],
    url: Annotated[str | None, typer.Option(help="The admin API; this machine's, if not given.")] = None,
    token_file: TokenFile = None,
) -> None:
    """See `help` above."""
    settings = settings_or_exit()
    asked = url or f"http://{settings.admin_listen}"
    body = {"digest": digest, "why": why}
    done = called(asked, "POST", "/admin/v1/policy:rollback", token_file or settings.admin_token, body)
    match done.get("outcome"):
        case "swapped" | "unchanged":
            typer.echo(f"{visible(str(done['digest']))} is in force; the other nodes follow within a second or two.")
        case "waiting":
            complain(f"it waits for a second person: `guard releases confirm {visible(str(done['release']))}`")
            raise typer.Exit(EXIT_REFUSED)
        case _:
            faults = [f"{one['file']}:{one['line']}: {one['message']}" for one in done.get("diagnostics", ())]
            complain(visible("; ".join(filter(None, [str(done.get("refused_for", "")), *faults])) or "refused"))
            raise typer.Exit(EXIT_REFUSED)
