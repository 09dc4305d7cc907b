import json
from pathlib import Path

import pytest
import typer

from guard.cli.credentials import Gateway, gateway_at, home, key_from
from guard.model.keys import KeyAlgorithm
from guard.settings import Settings

DEV = {
    "gateway": "http://127.0.0.1:18080",
    "key": {"id": "k_dev", "secret": "dev", "algorithm": "hmac-sha256"},
}


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GUARD_HOME", str(tmp_path))
    monkeypatch.delenv("GUARD_KEY_ID", raising=False)
    monkeypatch.delenv("GUARD_KEY_SECRET", raising=False)
    return tmp_path


def written(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("value", [None, "/srv/guard", "~/guard"])
def test_home_is_that_of_the_settings(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("GUARD_HOME")
    if value is not None:
        monkeypatch.setenv("GUARD_HOME", value)
    assert home() == Settings().home


def test_a_key_file_wins_over_the_environment_and_that_over_guard_dev(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(own_home / "dev.json", DEV)
    assert key_from(None).id == "k_dev"
    monkeypatch.setenv("GUARD_KEY_ID", "k_env")
    monkeypatch.setenv("GUARD_KEY_SECRET", "env")
    key = key_from(None)
    assert (key.id, key.secret.reveal(), key.algorithm) == ("k_env", b"env", KeyAlgorithm.HMAC_SHA256)
    created = {"id": "k_file", "secret": "file", "account": "a", "scopes": ["read"], "algorithm": "ed25519"}
    key = key_from(written(own_home / "key.json", created))
    assert (key.id, key.secret.reveal(), key.algorithm) == ("k_file", b"file", KeyAlgorithm.ED25519)


def test_a_private_key_in_the_environment_is_ed25519(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARD_KEY_ID", "k")
    monkeypatch.setenv("GUARD_KEY_SECRET", "-----BEGIN PRIVATE KEY-----\n…")
    assert key_from(None).algorithm is KeyAlgorithm.ED25519


def test_the_file_of_guard_dev_is_a_key_file_too(own_home: Path) -> None:
    assert key_from(written(own_home / "other.json", DEV)).id == "k_dev"


def test_without_a_key_all_three_places_are_named() -> None:
    with pytest.raises(typer.BadParameter) as refused:
        key_from(None)
    for place in ("guard dev", "GUARD_KEY_ID", "--key-file", "--scheme none"):
        assert place in refused.value.message


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b'{"id":"k"}', b'{"id":"k","secret":"s","algorithm":"magic"}']
)
def test_a_file_without_a_key_is_refused_by_name(own_home: Path, content: bytes) -> None:
    path = own_home / "key.json"
    path.write_bytes(content)
    with pytest.raises(typer.BadParameter, match=r"key\.json"):
        key_from(path)


def test_a_file_that_is_not_there_is_named(own_home: Path) -> None:
    with pytest.raises(typer.BadParameter, match="absent cannot be read: No such file"):
        key_from(own_home / "absent")


def test_a_secret_is_in_no_repr(own_home: Path) -> None:
    assert "file-secret" not in repr(key_from(written(own_home / "k", {"id": "k", "secret": "file-secret"})))


def test_the_gateway_is_the_one_named_else_that_of_guard_dev_else_the_default(own_home: Path) -> None:
    assert gateway_at(None).url == "http://127.0.0.1:8080"
    written(own_home / "dev.json", DEV)
    assert gateway_at(None).url == "http://127.0.0.1:18080"
    assert gateway_at("https://X.test/") == Gateway(
        url="https://X.test", secure=True, host="x.test", port=443, authority=b"X.test"
    )
    assert (gateway_at("http://[::1]:8080").host, gateway_at("http://h").port) == ("::1", 80)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "h",
        "ftp://h",
        "http://",
        "http://h/path",
        "http://h?q",
        "http://h#f",
        "http://u:p@h",
        "http://h:x",
        "http://[",
        "http://é",
    ],
)
def test_only_an_origin_is_a_gateway(url: str) -> None:
    with pytest.raises(typer.BadParameter):
        gateway_at(url)
