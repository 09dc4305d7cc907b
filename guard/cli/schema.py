"""`guard schema`: the JSON Schema of policy files, for editors."""

import json
from typing import Annotated

import typer

from guard.policy.json_schema import policy_schema, shared_schema

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(
    help="""\b
    guard schema > policies/schema/policy.v1.json
    guard schema --shared > policies/schema/shared.v1.json
    guard schema | jq '.properties | keys'
    check-jsonschema --schemafile policies/schema/policy.v1.json policies/exchange.yaml

    Print the JSON Schema of policy files, or of `_shared.yaml`.
    """
)
def schema(*, shared: Annotated[bool, typer.Option("--shared", help="That of `_shared.yaml`.")] = False) -> None:
    """See `help` above."""
    typer.echo(json.dumps(shared_schema() if shared else policy_schema(), indent=2, ensure_ascii=False))
