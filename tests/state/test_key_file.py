import base64
import stat
from pathlib import Path

import pytest

from guard.state.key_file import KeyFile, KeyFileError


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "home" / "some.key", "some key", "put it back")


@pytest.fixture
def made(file: KeyFile) -> KeyFile:
    file.create()
    return file


def test_file_is_32_random_bytes_that_only_its_owner_can_read(file: KeyFile) -> None:
    key = file.create().reveal()
    assert base64.b64decode(file.path.read_bytes()) == key
    assert len(key) == 32
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700
    assert [each.name for each in file.path.parent.iterdir()] == ["some.key"]


def test_file_that_is_there_is_never_written_over(made: KeyFile) -> None:
    before = made.path.read_bytes()
    with pytest.raises(FileExistsError):
        made.create()
    assert made.load_or_create().reveal() == made.load().reveal()
    assert made.path.read_bytes() == before
    assert [each.name for each in made.path.parent.iterdir()] == ["some.key"]


def test_missing_file_is_made_only_if_asked_to(file: KeyFile) -> None:
    with pytest.raises(KeyFileError, match=f"there is no some key at {file.path}: put it back"):
        file.load()
    assert file.load_or_create().reveal() == file.load().reveal()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_file_that_others_can_read_is_refused_with_the_remedy(made: KeyFile, mode: int) -> None:
    made.path.chmod(mode)
    with pytest.raises(KeyFileError, match=f"run `chmod 600 {made.path}`"):
        made.load()


@pytest.mark.parametrize("content", [b"", b"not base64!", base64.b64encode(bytes(31)), base64.b64encode(bytes(33))])
def test_file_that_is_no_such_key_is_refused(made: KeyFile, content: bytes) -> None:
    made.path.write_bytes(content)
    with pytest.raises(KeyFileError, match="is no some key"):
        made.load()


def test_file_that_cannot_be_read_or_made_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot be read"):
        KeyFile(tmp_path, "some key", "").load()
    (tmp_path / "file").touch()
    with pytest.raises(KeyFileError, match="cannot be made"):
        KeyFile(tmp_path / "file" / "some.key", "some key", "").create()


def test_other_content_takes_its_place_whole_and_for_its_owner_only(made: KeyFile) -> None:
    made.replace(b"other\n")
    assert made.content() == b"other\n"
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert [each.name for each in made.path.parent.iterdir()] == ["some.key"]


def test_rest_of_an_interrupted_change_is_removed(made: KeyFile) -> None:
    made.path.with_name(".some.key.new").write_bytes(b"an old key")
    made.replace(b"other\n")
    assert [each.name for each in made.path.parent.iterdir()] == ["some.key"]


def test_link_to_the_file_stays_a_link(made: KeyFile, tmp_path: Path) -> None:
    link = tmp_path / "link.key"
    link.symlink_to(made.path)
    KeyFile(link, "some key", "").replace(b"other\n")
    assert link.is_symlink()
    assert made.content() == b"other\n"


def test_content_that_cannot_be_written_leaves_the_old_one(made: KeyFile, monkeypatch: pytest.MonkeyPatch) -> None:
    before = made.content()

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.chown", refuse)
    with pytest.raises(KeyFileError, match=f"the some key {made.path} cannot be written"):
        made.replace(b"other\n")
    assert made.content() == before
    assert [each.name for each in made.path.parent.iterdir()] == ["some.key"]


def test_file_that_is_not_there_is_not_replaced(file: KeyFile) -> None:
    with pytest.raises(KeyFileError, match="cannot be written"):
        file.replace(b"other\n")
