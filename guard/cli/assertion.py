"""`guard assertion`: the public key with which backends verify `Guard-Assertion`."""

import json
from typing import Annotated

import typer

from guard.app.assertion import open_assertion_key
from guard.cli.screen import complain
from guard.cli.starting import settings_or_exit
from guard.state.faults import StateError

EXIT_REFUSED = 1

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(
    help="""\b
    guard assertion > guard.jwks.json
    guard assertion --pem > guard.pem
    guard assertion | jq -r '.keys[0].kid'

    Print the public key that verifies Guard-Assertion, as a JSON Web Key Set. The key is made if there is none yet.

    Exit code: 0 printed, 1 the key's file cannot be used.
    """
)
def assertion(*, pem: Annotated[bool, typer.Option("--pem", help="As a PEM file.")] = False) -> None:
    """See `help` above."""
    try:
        key = open_assertion_key(settings_or_exit())
    except StateError as error:
        complain(str(error))
        raise typer.Exit(EXIT_REFUSED) from None
    typer.echo(key.public_pem() if pem else json.dumps({"keys": [key.public_jwk()]}, indent=2), nl=not pem)
