"""docs/settings.md lists every setting with its variable, its flag and its default, and nothing else."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from guard.cli.serve import app
from guard.settings import Settings

_DOC = Path(__file__).parents[1] / "docs" / "settings.md"
_ROW = re.compile(
    r"^\| `GUARD_(?P<name>[A-Z_]+)` \| (?P<flag>[^|]+) \| (?P<default>[^|]+) \| (?P<means>.+) \|$", re.MULTILINE
)
_ROWS = {match["name"].lower(): match for match in _ROW.finditer(_DOC.read_text())}
_FLAGS = {option.name: option.opts[0] for option in get_command(app).params}

# Where the default is not a value of the field, in words.
_WORDS = {
    "policy_signers_file": "not set: nobody must sign",
    "health_listen": "not set: not served",
    "database_url": "`sqlite:///GUARD_HOME/guard.db`",
    "sealing_key_file": "`GUARD_HOME/sealing.key`",
    "tls_cert_file": "not set: no TLS",
    "tls_key_file": "not set",
    "tls_client_ca_file": "not set: none are asked for",
    "proxy_from": "not set: nobody",
    "admin_hosts": "not set: none",
    "admin_token_file": "`GUARD_HOME/admin.token`",
    "assertion_key_file": "`GUARD_HOME/assertion.key`",
    "audit_key_file": "`GUARD_HOME/audit.key`",
    "audit_checkpoints": "not set: only in the database",
    "keys_idle_days": "not set: no key ends by itself",
}


def test_the_document_has_every_setting_once_and_in_the_order_of_the_source() -> None:
    assert list(_ROWS) == list(Settings.model_fields)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_document_tells_the_default(name: str) -> None:
    assert _ROWS[name]["default"] == _WORDS.get(name, f"`{Settings.model_fields[name].default}`")


def test_the_defaults_told_in_words_are_what_the_settings_make_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARD_HOME", "GUARD_HOME")
    settings = Settings()
    for name in ("health_listen", "tls_cert_file", "tls_key_file", "tls_client_ca_file", "proxy_from", "admin_hosts"):
        assert getattr(settings, name) is None
    assert _WORDS["database_url"] == f"`{settings.database}`"
    assert _WORDS["sealing_key_file"] == f"`{settings.sealing_key}`"
    assert _WORDS["admin_token_file"] == f"`{settings.admin_token}`"
    assert _WORDS["assertion_key_file"] == f"`{settings.assertion_key}`"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_document_tells_the_flag_of_guard_serve_or_that_there_is_none(name: str) -> None:
    flag = _FLAGS.get(name)
    assert _ROWS[name]["flag"] == ("—" if flag is None else f"`{flag}`")


def test_guard_serve_has_no_flag_that_is_not_a_setting() -> None:
    assert set(_FLAGS) <= set(Settings.model_fields)
