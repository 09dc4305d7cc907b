"""`guard sign`: a signed request as a curl command to copy, without sending anything."""

import json
import os
import shlex
import time
from pathlib import Path
from typing import Annotated

import typer

from guard.cli.credentials import Gateway, gateway_at, key_from
from guard.cli.curl import body_of, with_visible_lf
from guard.cli.outgoing import Outgoing, Scheme, asked_for, outgoing
from guard.cli.screen import printable
from guard.model.names import UnixMs

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(
    help="""\b
    guard sign GET /v1/account
    guard sign POST http://127.0.0.1:8080/v1/orders -d @order.json --dry-run
    guard sign DELETE /v1/orders/o-1 --json

    Print a signed request as a curl command, without sending it.

    It is good for one use within the window of the policy. URL may be a path of the gateway of `guard dev`.
    """
)
def sign(
    method: Annotated[str, typer.Argument(metavar="METHOD")],
    url: Annotated[str, typer.Argument(metavar="URL")],
    *,
    data: Annotated[str | None, typer.Option("-d", "--data", help="The body, or @FILE, or @- for stdin.")] = None,
    header: Annotated[list[str] | None, typer.Option("-H", "--header", help="A field: 'Name: value'.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="The JSON of `guard keys create --json`.")] = None,
    dry_run: Annotated[
        bool, typer.Option("-v", "--dry-run", help="Also the string to sign, as comments above the command.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Method, URL, fields and the string to sign as JSON.")
    ] = False,
) -> None:
    """See `help` above."""
    base_url, target = _split(url)
    gateway = gateway_at(base_url)
    asked = asked_for(method, target, body_of(data), header or [])
    now = UnixMs(time.time_ns() // 1_000_000)
    request = outgoing(asked, authority=gateway.authority, scheme=Scheme.GUARD_V1, key=key_from(key_file), now=now)
    if as_json:
        typer.echo(_as_json(request, gateway.url + target))
        return
    if dry_run and request.signed is not None:
        typer.echo("# string to sign (␊ is one LF byte; there is none at the end):")
        for line in with_visible_lf(request.signed):
            typer.echo(f"#   {printable(line)}")
    typer.echo(_curl_command(request, gateway, data))


def _curl_command(request: Outgoing, gateway: Gateway, data: str | None) -> str:
    """Quoted for a POSIX shell. curl is told to leave the path, braces and the body as they are."""
    words = ["curl", "--path-as-is", "--globoff", "-X", request.method, gateway.url + os.fsdecode(request.target)]
    for name, value in request.fields:
        if (name, value) != (b"Host", gateway.authority) and name != b"Content-Length":
            words += ["-H", f"{os.fsdecode(name)}: {os.fsdecode(value)}"]
    if data is not None and data.startswith("@") and data != "@-":
        words += ["--data-binary", data]
    elif request.body:
        words += ["--data-raw", os.fsdecode(request.body)]
    return shlex.join(words)


def _split(url: str) -> tuple[str | None, str]:
    """Origin and target; the target is kept as it was written."""
    if "#" in url:
        raise typer.BadParameter("a fragment (#…) is never sent, so it cannot be signed", param_hint="URL")
    scheme, mark, rest = url.partition("://")
    if not mark or "/" in scheme:
        return None, url
    authority, slash, target = rest.partition("/")
    return f"{scheme}://{authority}", slash + target or "/"


def _as_json(request: Outgoing, url: str) -> str:
    return json.dumps(
        {
            "method": request.method,
            "url": url,
            "fields": [[name.decode(), value.decode(errors="backslashreplace")] for name, value in request.fields],
            "body": request.body.decode(errors="backslashreplace"),
            "string_to_sign": None if request.signed is None else request.signed.decode(errors="backslashreplace"),
        }
    )
