"""`guard schema` prints what editors need."""

import json

from typer.testing import CliRunner

from guard.cli.schema import app


def test_the_schema_is_json_that_names_its_dialect() -> None:
    ran = CliRunner().invoke(app, [])
    assert ran.exit_code == 0
    assert "$schema" in json.loads(ran.output)


def test_that_of_what_is_shared_is_another() -> None:
    ran = CliRunner().invoke(app, ["--shared"])
    assert ran.exit_code == 0
    assert json.loads(ran.output)["title"] == "what guard policies share"
