"""`guard worker`: one of several processes behind `guard serve`. Nobody but its supervisor starts it."""

from typing import Annotated

import typer

from guard.app.loop import run_loop
from guard.app.worker import CannotServe, work
from guard.app.workers import gateway_worker
from guard.telemetry import logs

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(help="Started by `guard serve --workers N`, never by hand.")
def worker(
    *, link: Annotated[int, typer.Argument(help="The descriptor of the socket to the supervisor.", min=0)]
) -> None:
    """See `help` above."""
    logs.configure("warning")
    try:
        run_loop(work(link, gateway_worker))
    except CannotServe:  # the supervisor was told, and says it
        raise typer.Exit(1) from None
