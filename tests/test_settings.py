"""Settings come from the environment or the flags; nonsense is refused."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from guard.settings import Settings, host_and_port


def test_every_setting_has_a_default_that_works_with_nothing_installed() -> None:
    settings = Settings()
    assert settings.listen == "127.0.0.1:8080"
    assert settings.state_url == "memory://"
    assert settings.database == f"sqlite:///{Path('~/.local/share/guard').expanduser()}/guard.db"


def test_files_lie_in_the_home_unless_they_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARD_HOME", "/srv/guard")
    assert Settings().sealing_key == Path("/srv/guard/sealing.key")
    assert Settings(sealing_key_file=Path("/run/secrets/kek")).sealing_key == Path("/run/secrets/kek")


def test_the_environment_is_read_and_a_flag_beats_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARD_LISTEN", "127.0.0.1:9000")
    assert Settings().listen == "127.0.0.1:9000"
    assert Settings(listen="127.0.0.1:9001").listen == "127.0.0.1:9001"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("GUARD_LISTEN", "8080", "pattern"),
        ("GUARD_LISTEN", "127.0.0.1:99999", "a port is at most 65535"),
        ("GUARD_WORKERS", "4", "several workers need shared state"),
        ("GUARD_WORKERS", "0", "greater than or equal to 1"),
        ("GUARD_STATE_URL", "redis://127.0.0.1", "only memory:// is known yet"),
        ("GUARD_LOG_LEVEL", "loud", "debug"),
    ],
)
def test_nonsense_is_refused_with_a_sentence(monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=says):
        Settings()


@pytest.mark.parametrize(("listen", "expected"), [("127.0.0.1:8080", ("127.0.0.1", 8080)), ("[::1]:80", ("::1", 80))])
def test_an_address_is_taken_apart(listen: str, expected: tuple[str, int]) -> None:
    assert host_and_port(listen) == expected
