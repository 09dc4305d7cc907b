"""`guard releases …`: the second person's line on a terminal. Who may confirm what is `service/releases.py`."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
import typer

from guard.app.keys import open_releases
from guard.cli.people_screen import releases_text
from guard.cli.vault import AsJson, answer_of
from guard.cli.who import Actor, Why, by
from guard.model.admins import Release, ReleaseState
from guard.service.releases import Releases
from guard.state.admin_views import release_view

ReleaseArgument = Annotated[str, typer.Argument(metavar="ID", show_default=False)]

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    help="""\b
    guard releases list
    guard releases confirm gr_… --why "ticket 4711"
    guard releases reject gr_…

    Keys with a scope under dual control wait for a second person: somebody else than who asked, within 24 h.

    Exit code: 0 done, 1 refused or not found, 2 wrong arguments.
    """,
)


@app.command("list", short_help="What waits; with --all also what was settled or expired.")
def list_(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also what waits no more.")] = False,
    as_json: AsJson = False,
) -> None:
    """What waits; with --all also what was settled or expired."""
    found = answer_of(open_releases, lambda releases: releases.all())
    told = tuple(release_view(each) for each in found if everything or each.state is ReleaseState.PENDING)
    typer.echo(msgspec.json.encode(told).decode() if as_json else releases_text(told))


@app.command(short_help="Do what somebody else asked for.")
def confirm(release_id: ReleaseArgument, *, actor: Actor = None, why: Why = "", as_json: AsJson = False) -> None:
    """Do what somebody else asked for."""
    _settle(lambda releases: releases.confirm(release_id, by(actor, why)), as_json=as_json)


@app.command(short_help="Have it not done. A key that was never active is destroyed.")
def reject(release_id: ReleaseArgument, *, actor: Actor = None, why: Why = "", as_json: AsJson = False) -> None:
    """Have it not done. A key that was never active is destroyed."""
    _settle(lambda releases: releases.reject(release_id, by(actor, why)), as_json=as_json)


def _settle(act: Callable[[Releases], Awaitable[Release]], *, as_json: bool) -> None:
    release = answer_of(open_releases, act)
    if as_json:
        typer.echo(msgspec.json.encode(release_view(release)).decode())
    else:
        typer.echo(f"{release.id} is {release.state}: {release.command} of {release.key_id or 'policies'}.")
