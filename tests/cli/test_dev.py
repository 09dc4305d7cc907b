"""`guard dev` before it serves: where its policy is, and what its screen says."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from guard.cli.dev import _screen, app, demo_policy, own_name
from guard.cli.starting import rules_or_exit
from guard.settings import Settings


def test_the_demo_policy_is_found_and_valid() -> None:
    assert [service.name for service in rules_or_exit(demo_policy()).policies.services] == ["exchange"]


@pytest.mark.parametrize(
    ("program", "path", "name"),
    [
        (".venv/bin/guard", "/nowhere", ".venv/bin/guard"),
        ("/usr/lib/guard/__main__.py", "/nowhere", "python -m guard"),
    ],
)
def test_the_next_command_can_be_typed_as_it_stands(
    program: str, path: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", path)
    assert own_name(program) == name


def test_a_program_that_the_shell_finds_is_called_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "guard").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert own_name(str(tmp_path / "guard")) == "guard"


def test_the_screen_ends_with_the_next_command_to_type() -> None:
    settings = Settings(home=Path("/h"), listen="127.0.0.1:9080")
    rules = rules_or_exit(demo_policy())
    lines = _screen(settings, "127.0.0.1:9081", demo_policy(), rules).splitlines()
    assert "not for production" in lines[0]
    assert "http://127.0.0.1:9080" in lines[1]
    assert "http://127.0.0.1:9081" in lines[1]
    assert rules.policies.digest in lines[2]
    assert "guard curl POST /v1/orders" in lines[-1]
    assert not any("admin API" in line for line in lines)


def test_the_screen_says_where_the_admin_api_and_its_token_are() -> None:
    settings = Settings(home=Path("/h"), admin_listen="127.0.0.1:9090")
    screen = _screen(settings, "127.0.0.1:9081", demo_policy(), rules_or_exit(demo_policy()))
    assert "admin API  http://127.0.0.1:9090/admin/v1, token in /h/admin.token\n" in screen


def test_a_unix_socket_is_refused_before_anything_is_opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GUARD_HOME", str(tmp_path / "home"))
    ran = CliRunner().invoke(app, ["--listen", f"unix:{tmp_path}/guard.sock"])
    assert (ran.exit_code, ran.output.partition(":")[0]) == (2, "error")
    assert "HOST:PORT" in ran.output
    assert not (tmp_path / "home").exists()
