import json

from typer.testing import CliRunner

from guard.cli.main import app


def test_the_version_is_that_of_the_package() -> None:
    assert CliRunner().invoke(app, ["version"]).stdout == "guard 0.1.0\n"
    assert json.loads(CliRunner().invoke(app, ["version", "--json"]).stdout) == {"version": "0.1.0"}
