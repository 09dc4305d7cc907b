from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.state.key_file import KeyFileError
from guard.state.sealing import SealingError, SealingKey

TEXT = b"canary-secret-of-the-tests"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "sealing.key"


@pytest.fixture
def key(path: Path) -> SealingKey:
    return SealingKey.create(path)


def test_sealed_text_opens_to_itself_and_shows_nothing_of_it(key: SealingKey) -> None:
    sealed = key.seal("k1", "material", TEXT)
    assert TEXT not in sealed
    assert key.open("k1", "material", sealed) == TEXT


def test_same_text_is_sealed_differently_each_time(key: SealingKey) -> None:
    assert key.seal("k1", "material", TEXT) != key.seal("k1", "material", TEXT)


@pytest.mark.parametrize(("key_id", "purpose"), [("k2", "material"), ("k1", "other"), ("k1m", "aterial")])
def test_sealed_text_opens_only_as_what_it_was_sealed_for(key: SealingKey, key_id: str, purpose: str) -> None:
    with pytest.raises(SealingError, match=f"the secret of key {key_id} was changed"):
        key.open(key_id, purpose, key.seal("k1", "material", TEXT))


def test_every_changed_or_missing_byte_is_noticed(key: SealingKey) -> None:
    sealed = key.seal("k1", "material", TEXT)
    for position in range(len(sealed)):
        for broken in (sealed[:position], sealed[:position] + bytes([sealed[position] ^ 1]) + sealed[position + 1 :]):
            with pytest.raises(SealingError):
                key.open("k1", "material", broken)


@given(st.binary(max_size=200))
def test_rubbish_is_refused(rubbish: bytes) -> None:
    key = SealingKey(bytes(32), Path("sealing.key"))
    for sealed in (rubbish, key.seal("k", "p", b"x")[:9] + rubbish):
        with pytest.raises(SealingError):
            key.open("k", "p", sealed)


def test_unknown_format_is_told_apart(key: SealingKey) -> None:
    with pytest.raises(SealingError, match="format that this guard does not know"):
        key.open("k1", "material", b"\x02" + key.seal("k1", "material", TEXT)[1:])


def test_another_sealing_key_is_named_with_the_remedy(key: SealingKey, path: Path, tmp_path: Path) -> None:
    sealed = SealingKey.create(tmp_path / "other.key").seal("k1", "material", TEXT)
    with pytest.raises(SealingError, match="sealed under another sealing key") as raised:
        key.open("k1", "material", sealed)
    assert str(path) in str(raised.value)
    assert "GUARD_SEALING_KEY_FILE" in str(raised.value)


def test_missing_file_is_made_only_if_asked_to(path: Path) -> None:
    with pytest.raises(KeyFileError, match=f"there is no sealing key at {path}"):
        SealingKey.load(path)
    made = SealingKey.load_or_create(path)
    assert made.pepper == SealingKey.load(path).pepper == SealingKey.load_or_create(path).pepper
    with pytest.raises(FileExistsError):
        SealingKey.create(path)


def test_file_that_is_no_sealing_key_is_refused(path: Path, key: SealingKey) -> None:
    path.write_bytes(b"guard-sealing-key 2\npepper x\n")
    with pytest.raises(KeyFileError, match=f"{path} is no sealing key"):
        SealingKey.load(path)
    assert key.path == path


def test_derived_keys_are_stable_and_differ_from_each_other_and_from_the_root() -> None:
    root = bytes(range(32))
    key = SealingKey(root, Path("sealing.key"))
    assert key.pepper == SealingKey(root, Path("elsewhere")).pepper
    assert len({key.pepper, key.log_tag_key, root}) == 3
    assert {len(key.pepper), len(key.log_tag_key)} == {32}


def test_repr_shows_no_secret() -> None:
    root = bytes(range(32))
    key = SealingKey(root, Path("sealing.key"))
    for secret in (root, key.pepper, key.log_tag_key):
        assert secret.hex()[:12] not in repr(key)


def test_key_that_came_into_the_file_later_opens_and_seals_at_once(key: SealingKey, path: Path) -> None:
    other = SealingKey.load(path)
    added = key.add()
    assert key.ids == (added, *other.ids)
    assert other.open("k1", "material", key.seal("k1", "material", TEXT, added)) == TEXT
    third = SealingKey.load(path)
    newest = key.add()
    assert third.open("k1", "material", third.seal("k1", "material", TEXT, newest)) == TEXT


def test_oldest_key_seals_until_another_is_named(key: SealingKey, path: Path) -> None:
    before = SealingKey.load(path)
    key.add()
    path.unlink()
    assert before.open("k1", "material", key.seal("k1", "material", TEXT)) == TEXT


def test_new_keys_change_neither_the_pepper_nor_the_tags_of_the_log(key: SealingKey, path: Path) -> None:
    fixed = key.pepper, key.log_tag_key
    old = key.ids[0]
    key.add()
    key.drop((old,))
    assert (key.pepper, key.log_tag_key) == fixed
    again = SealingKey.load(path)
    assert (again.pepper, again.log_tag_key) == fixed


def test_dropped_key_opens_nothing_any_more(key: SealingKey, path: Path) -> None:
    sealed = key.seal("k1", "material", TEXT)
    old = key.ids[0]
    added = key.add()
    key.drop((old,))
    assert SealingKey.load(path).ids == key.ids == (added,)
    with pytest.raises(SealingError, match="sealed under another sealing key"):
        SealingKey.load(path).open("k1", "material", sealed)


def test_key_that_the_file_lacks_seals_nothing(key: SealingKey) -> None:
    with pytest.raises(SealingError, match="copy the newest sealing key file to this node"):
        key.seal("k1", "material", TEXT, "00" * 8)


def test_another_file_in_its_place_is_not_taken_up(key: SealingKey, path: Path, tmp_path: Path) -> None:
    other = SealingKey.create(tmp_path / "other.key")
    sealed = other.seal("k1", "material", TEXT)
    path.write_bytes((tmp_path / "other.key").read_bytes())
    with pytest.raises(SealingError, match="sealed under another sealing key"):
        key.open("k1", "material", sealed)
    with pytest.raises(SealingError, match="is another sealing key than before"):
        key.reread()


def test_file_that_is_lost_while_in_use_stops_nothing(key: SealingKey, path: Path) -> None:
    sealed = key.seal("k1", "material", TEXT)
    path.unlink()
    assert key.open("k1", "material", sealed) == TEXT
