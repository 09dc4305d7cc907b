"""Who does it, why, and from where: what every command that changes something tells the audit trail."""

import getpass
import socket
from typing import Annotated

import typer

from guard.service.keyring import By

Actor = Annotated[str | None, typer.Option(envvar="GUARD_ACTOR", help="Who does this; you, if not given.")]
Why = Annotated[str, typer.Option(help="The reason, for the audit trail.")]


def by(actor: str | None, why: str) -> By:
    """Whoever was named, or the login; on this machine."""
    return By(actor or getpass.getuser(), why, f"cli {socket.gethostname()}")
