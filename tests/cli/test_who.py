import pytest

from guard.cli.who import by
from guard.service.keyring import By


def test_whoever_is_named_or_logged_in_acts_from_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "root")
    monkeypatch.setattr("socket.gethostname", lambda: "desk")
    assert by("alice", "a reason") == By("alice", "a reason", "cli desk")
    assert by(None, "") == By("root", "", "cli desk")
