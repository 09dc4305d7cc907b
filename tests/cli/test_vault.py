from pathlib import Path

import pytest
import typer

from guard.app.keys import open_keyring
from guard.cli.vault import answer_of
from guard.service.keyring import Keyring


def test_an_answer_is_returned_and_a_refusal_ends_with_its_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GUARD_HOME", str(tmp_path / "home"))
    assert answer_of(open_keyring, Keyring.keys) == ()
    with pytest.raises(typer.Exit) as raised:
        answer_of(open_keyring, lambda keyring: keyring.show("gk_no"))
    assert raised.value.exit_code == 1
    assert "there is no key gk_no" in capsys.readouterr().err
