from pathlib import Path

import pytest

from guard.app.assertion import open_assertion_key
from guard.settings import Settings
from guard.state.key_file import KeyFileError


def test_the_key_is_made_at_first_need_and_stays_the_same(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    first = open_assertion_key(settings)
    assert open_assertion_key(settings).id == first.id
    assert (tmp_path / "home" / "assertion.key").exists()


def test_another_file_may_be_named(tmp_path: Path) -> None:
    file = tmp_path / "run" / "key"
    open_assertion_key(Settings(home=tmp_path / "home", assertion_key_file=file))
    assert file.exists()
    file.chmod(0o644)
    with pytest.raises(KeyFileError, match=r"the assertion key .* can be read by others"):
        open_assertion_key(Settings(home=tmp_path / "home", assertion_key_file=file))
