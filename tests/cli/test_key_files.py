import io
import stat
from pathlib import Path

import pytest
import typer

from guard.cli.key_files import bounds, duration, expiry, listed, orders_in, secret_from_stdin, text_of, write_env
from guard.model.keys import Bounds, KeyUse
from guard.service.key_orders import KeyOrder
from guard.service.keyring import Issued
from guard.state.key_rows import view
from tests.state.key_records import record

VIEW = view(record("k1"))


def test_list_is_split_at_commas_and_trimmed() -> None:
    assert listed(" read, trade,,") == ("read", "trade")
    assert listed("") == ()


def test_duration_needs_its_unit() -> None:
    assert duration("90d", "--expires") == 90 * 86_400_000
    with pytest.raises(typer.BadParameter, match="is not a duration"):
        duration("90", "--expires")


def test_no_expiry_is_no_end() -> None:
    assert expiry(None) is None


def test_public_key_text_is_given_on_and_raw_bytes_as_hexadecimal(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"-----BEGIN")
    assert text_of(path) == "-----BEGIN"
    path.write_bytes(b"\xff\x00")
    assert text_of(path) == "ff00"
    assert text_of(None) is None


def test_secret_on_stdin_is_one_line_without_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(" spaces count \r\nsecond\n"))
    assert secret_from_stdin() == " spaces count "


def test_line_of_a_file_goes_before_what_is_given(tmp_path: Path) -> None:
    file = tmp_path / "keys.jsonl"
    file.write_text('{"id": "k1", "account": "other"}\n\n{"id": "k2"}\n')
    assert orders_in(file, {"account": "acme", "secret": "s"}) == (
        KeyOrder(id="k1", account="other", secret="s"),
        KeyOrder(id="k2", account="acme", secret="s"),
    )


def test_without_a_file_the_key_is_what_is_given() -> None:
    assert orders_in(None, {"account": "acme", "id": "k1"}) == (KeyOrder(id="k1", account="acme"),)


def test_env_file_that_was_not_saved_to_is_taken_back(tmp_path: Path) -> None:
    with write_env(tmp_path / ".env"):
        pass
    assert not (tmp_path / ".env").exists()


def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match=r"nowhere\.pem cannot be read"):
        text_of(tmp_path / "nowhere.pem")


@pytest.mark.parametrize(("line", "why"), [("[]", "line 1 is no JSON object"), ('{"ids": "k"}', "line 1: .*unknown")])
def test_line_that_is_no_order_is_named(tmp_path: Path, line: str, why: str) -> None:
    file = tmp_path / "keys.jsonl"
    file.write_text(line)
    with pytest.raises(typer.BadParameter, match=why):
        orders_in(file, {"account": "acme"})


def test_orders_come_from_stdin_for_a_dash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"id": "k1", "account": "acme"}')))
    assert orders_in(Path("-"), {}) == (KeyOrder(id="k1", account="acme"),)


def test_clock_is_this_machines_in_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 1_800_000_000_000_999_999)
    assert expiry("1s") == 1_800_000_001_000


@pytest.mark.parametrize(
    ("secret", "text"), [("gs_x", "GUARD_KEY_ID=k1\nGUARD_KEY_SECRET=gs_x\n"), (None, "GUARD_KEY_ID=k1\n")]
)
def test_env_file_holds_the_key_for_its_owner_alone(tmp_path: Path, secret: str | None, text: str) -> None:
    with write_env(tmp_path / ".env") as save:
        save(Issued(VIEW, secret))
    assert (tmp_path / ".env").read_text() == text
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


def test_env_file_that_is_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").touch()
    with pytest.raises(typer.BadParameter, match="File exists"), write_env(tmp_path / ".env"):
        pass


def test_no_env_file_is_no_matter() -> None:
    with write_env(None) as save:
        save(Issued(VIEW, "gs_x"))


def test_uses_and_resources_become_bounds_and_none_of_them_none() -> None:
    kept = bounds("reads, cancels", ["symbol=BTC-USD,ETH-USD", "side=sell"])
    assert kept == Bounds((KeyUse.CANCELS, KeyUse.READS), {"side": ("sell",), "symbol": ("BTC-USD", "ETH-USD")})
    assert bounds("", ()) is None
    assert bounds("", (), honeytoken=True) == Bounds(honeytoken=True)


@pytest.mark.parametrize("only", [["symbol"], ["symbol="], ["symbol=,"], ["symbol=x", "symbol=y"]])
def test_a_resource_without_values_or_named_twice_is_a_usage_error(only: list[str]) -> None:
    with pytest.raises(typer.BadParameter, match="NAME=VALUE"):
        bounds("", only)


def test_a_use_that_there_is_not_is_a_usage_error() -> None:
    with pytest.raises(typer.BadParameter, match="reads, cancels"):
        bounds("writes", ())
