"""`guard healthcheck`: is the gateway beside this command ready? For containers, whose images have no curl."""

import http.client
import json
import socket
from typing import Annotated

import typer

from guard.cli.starting import settings_or_exit
from guard.server.endpoint import UnixPath, endpoint

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # where to ask what listens on all addresses


@app.command(
    help="""\b
    guard healthcheck
    guard healthcheck --health-listen 127.0.0.1:8091 --timeout-s 5

    Ask /readyz on GUARD_HEALTH_LISTEN: exit code 0 if the gateway is ready, else 1 and why.
    """
)
def healthcheck(
    *,
    health_listen: Annotated[str | None, typer.Option(help="HOST:PORT or unix:/PATH of /readyz.")] = None,
    timeout_s: Annotated[float, typer.Option(help="How long to wait for an answer.", min=0.1)] = 3,
) -> None:
    """See `help` above."""
    listen = settings_or_exit(health_listen=health_listen).health_listen
    if listen is None:
        typer.echo("error: GUARD_HEALTH_LISTEN is not set: there is nobody to ask", err=True)
        raise typer.Exit(1)
    try:
        status, body = _asked(listen, timeout_s)
    except (OSError, http.client.HTTPException) as error:
        typer.echo(f"not ready: {listen} does not answer: {error}", err=True)
        raise typer.Exit(1) from None
    if status != http.client.OK:
        typer.echo(f"not ready: {_reasons(body)}", err=True)
        raise typer.Exit(1)
    typer.echo("ready")


def _asked(listen: str, timeout_s: float) -> tuple[int, bytes]:
    at = endpoint(listen)
    if isinstance(at, UnixPath):
        connection: http.client.HTTPConnection = _UnixConnection(at.path, timeout_s)
    else:
        connection = http.client.HTTPConnection(_ANYWHERE.get(at.host, at.host), at.port, timeout=timeout_s)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _reasons(body: bytes) -> str:
    try:
        return "; ".join(json.loads(body)["waiting_for"])
    except (ValueError, KeyError, TypeError):
        return "that was no answer of guard"


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """To the socket in the file system."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
