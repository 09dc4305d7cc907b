"""`guard version`."""

import json
from typing import Annotated

import typer

from guard import __version__

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command()
def version(*, as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """\b
    guard version
    guard version --json
    guard version --json | jq -r .version

    Print the version.
    """  # noqa: D301 (\b keeps click from joining the lines)
    typer.echo(json.dumps({"version": __version__}) if as_json else f"guard {__version__}")
