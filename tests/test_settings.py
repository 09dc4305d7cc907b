"""Settings come from the environment or the flags; nonsense is refused."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from guard.settings import Settings


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


def test_the_admin_api_is_on_unless_it_is_told_not_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GUARD_ADMIN_LISTEN")
    assert Settings().admin_listens == "127.0.0.1:8090"
    assert Settings(admin_listen="none").admin_listens is None
    assert Settings(admin_hosts="Guard.internal, g2").admin_names == ("guard.internal", "g2")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("GUARD_ADMIN_LISTEN", "nowhere", "pattern"),
        ("GUARD_ADMIN_LISTEN", "127.0.0.1:99999", "a port is at most 65535"),
        ("GUARD_LISTEN", "8080", "pattern"),
        ("GUARD_LISTEN", "127.0.0.1:99999", "a port is at most 65535"),
        ("GUARD_LISTEN", "unix:guard.sock", "pattern"),
        ("GUARD_PROXY_FROM", "10.0.0.0/8,balancer", "balancer"),
        ("GUARD_PROXY_FROM", "10.0.0.1/8", "host bits"),
        ("GUARD_TLS_CERT_FILE", "/a", "set together"),
        ("GUARD_TLS_KEY_FILE", "/a", "set together"),
        ("GUARD_TLS_CLIENT_CA_FILE", "/a", "needs GUARD_TLS_CERT_FILE"),
        ("GUARD_TLS_CLIENT_CERTS", "required", "needs GUARD_TLS_CLIENT_CA_FILE"),
        ("GUARD_HEAD_BYTES_MAX", "100", "1024"),
        ("GUARD_WORKERS", "4", "several workers need shared state"),
        ("GUARD_WORKERS", "0", "greater than or equal to 1"),
        ("GUARD_STATE_URL", "file:///tmp/state", "String should match pattern"),
        ("GUARD_STORE_MS_MAX", "0", "greater than or equal to 1"),
        ("GUARD_LOG_LEVEL", "loud", "debug"),
    ],
)
def test_nonsense_is_refused_with_a_sentence(monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=says):
        Settings()


@pytest.mark.parametrize("listen", ["127.0.0.1:8080", "[::1]:80", "localhost:0", "unix:/run/guard.sock"])
def test_a_listener_has_an_address_or_a_socket(listen: str) -> None:
    assert Settings(listen=listen).listen == listen


def test_trusted_proxies_are_networks_and_unix() -> None:
    assert Settings(proxy_from="10.0.0.0/8, 2001:db8::/32,unix,").proxies == ("10.0.0.0/8", "2001:db8::/32", "unix")
    assert Settings().proxies == ()


@pytest.mark.parametrize("others", [{"listen": "unix:/run/guard.sock"}, {"proxy_from": "unix"}])
def test_uvicorn_has_neither_unix_sockets_nor_the_proxy_protocol(others: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="for comparison"):
        Settings(server="uvicorn", **others)  # type: ignore[arg-type]
