"""A refusal to start is one clear line and an exit code, never a traceback."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
import typer

from guard.cli.starting import rules_or_exit, run, settings_or_exit
from guard.state.faults import StateError


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_a_flag_that_was_not_given_leaves_the_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARD_LISTEN", "127.0.0.1:9000")
    assert settings_or_exit(listen=None).listen == "127.0.0.1:9000"
    assert settings_or_exit(listen="127.0.0.1:9001").listen == "127.0.0.1:9001"


def test_nonsense_in_a_setting_names_it_and_ends_with_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended:
        settings_or_exit(workers=4)
    assert ended.value.exit_code == 2
    assert "several workers need shared state" in capsys.readouterr().err
    with pytest.raises(typer.Exit):
        settings_or_exit(listen="nowhere")
    assert "GUARD_LISTEN" in capsys.readouterr().err


def test_policies_that_are_not_valid_are_printed_and_end_with_code_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.yaml").write_text("version: 2\n")
    with pytest.raises(typer.Exit) as ended:
        rules_or_exit(tmp_path)
    assert ended.value.exit_code == 3
    assert "x.yaml:1:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (StateError("there is no sealing key at /x"), "there is no sealing key at /x"),
        (OSError(98, "Address already in use"), "choose another address with --listen HOST:PORT"),
        (FileNotFoundError(2, "No such file or directory", "/logs/d.jsonl"), "/logs/d.jsonl"),
    ],
)
def test_what_keeps_the_gateway_from_starting_is_one_line(
    fault: Exception, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fails() -> None:
        raise fault

    with pytest.raises(typer.Exit) as ended:
        run(fails(), "info")
    assert ended.value.exit_code == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert says in errors[0]
