"""`guard serve` refuses to start on what cannot be, with a sentence."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from guard.cli.serve import app


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--workers", "2"], 2, "several workers need shared state"),
        (["--listen", "nowhere"], 2, "GUARD_LISTEN"),
        (["--tls-cert-file", "/a.pem"], 2, "GUARD_TLS_CERT_FILE and GUARD_TLS_KEY_FILE are set together"),
        (["--state-url", "memcached://127.0.0.1"], 2, "GUARD_STATE_URL"),
        (["--policies", "/nonexistent"], 3, "/nonexistent"),
    ],
)
def test_what_cannot_be_served_is_refused_before_anything_is_opened(
    arguments: list[str], code: int, says: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GUARD_HOME", str(tmp_path / "home"))
    ran = CliRunner().invoke(app, arguments)
    assert ran.exit_code == code
    assert says in ran.output
    assert not (tmp_path / "home").exists()
