"""`guard explain-code` tells of one code, or of all."""

from pathlib import Path

from typer.testing import CliRunner

from guard.cli.explain_code import app
from guard.cli.main import app as guard
from guard.policy.codes import MEANINGS

ROOT = Path(__file__).parents[2]


def test_one_code_is_told_with_its_examples() -> None:
    told = CliRunner().invoke(guard, ["explain-code", "p311"])
    assert told.exit_code == 0
    assert told.output.startswith("P311: Cancels take from a limit that orders can empty.\n\nWho has sent too many")
    assert "\nwrong:\n\n    limits:\n      key: {per: [key], rate: 20/s}\n    routes:\n" in told.output


def test_without_a_code_all_are_listed() -> None:
    told = CliRunner().invoke(app, [])
    assert told.output.splitlines() == [f"{code}  {meaning}" for code, meaning in MEANINGS.items()]


def test_the_document_is_what_the_command_prints() -> None:
    told = CliRunner().invoke(app, ["--markdown"])
    assert told.output == (ROOT / "docs/codes.md").read_text(), "run: guard explain-code --markdown > docs/codes.md"


def test_one_code_as_markdown_is_its_section() -> None:
    assert (
        CliRunner().invoke(app, ["P101", "--markdown"]).output.startswith("## P101\n\nA field that does not exist.\n")
    )


def test_an_unknown_code_is_a_usage_error_with_a_suggestion() -> None:
    told = CliRunner().invoke(app, ["P3003"])
    assert told.exit_code == 2
    assert "there is no code P3003: did you mean `P303`?" in told.output
