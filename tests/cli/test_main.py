import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import guard.cli
from guard.cli.main import COMMANDS, app, module_of


@pytest.mark.parametrize("words", [["--help"], []])
def test_help_lists_every_command(words: list[str]) -> None:
    listed = CliRunner().invoke(app, words).output
    for name in COMMANDS:
        assert f"\n  {name} " in listed


def test_help_imports_no_command() -> None:
    program = "import sys; from guard.cli.main import app; app(['--help'], standalone_mode=False); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()  # noqa: S603
    ours = {name for name in modules if name.startswith("guard")}
    assert ours == {"guard", "guard.cli", "guard.cli.main"}
    assert not {"pydantic", "rich", "msgspec", "asyncio"} & set(modules)


@pytest.mark.parametrize("name", ["curl", "sign", "flood", "assertion", "version"])
def test_each_help_begins_with_three_examples(name: str) -> None:
    result = CliRunner().invoke(app, [name, "--help"])
    usage, _, *examples = result.output.splitlines()
    assert usage.startswith("Usage: ")
    assert [line.startswith(f"  guard {name}") for line in examples[:4]] == [True, True, True, False]


def test_a_typing_error_is_answered_with_a_suggestion() -> None:
    result = CliRunner().invoke(app, ["flod"])
    assert result.exit_code == 2
    assert "'flood'" in result.output


@pytest.mark.parametrize(
    ("typed", "offered"), [("guard fl", "flood"), ("guard curl --tam", "--tamper"), ("guard no -", "")]
)
def test_shells_complete_commands_and_options(typed: str, offered: str) -> None:
    """The protocol of bash; an unknown command has no options to offer."""
    env = {"_GUARD_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1)}
    assert offered in CliRunner().invoke(app, [], env=env, prog_name="guard").stdout.split("\n")


def test_every_command_has_its_module() -> None:
    modules = {path.stem for path in Path(guard.cli.__path__[0]).glob("*.py")}
    assert {module_of(name) for name in COMMANDS} <= modules
