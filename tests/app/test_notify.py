"""systemd is told, if it asked."""

import socket
from pathlib import Path

import pytest

from guard.app.notify import READY, STOPPING, notify


@pytest.mark.parametrize("abstract", [False, True])
def test_the_socket_that_it_names_gets_one_datagram_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, abstract: bool
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        path = f"guard-{tmp_path.name}-{id(systemd)}" if abstract else str(tmp_path / "notify")
        systemd.bind("\0" + path if abstract else path)
        systemd.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + path if abstract else path)
        notify(READY)
        notify(STOPPING)
        assert [systemd.recv(100), systemd.recv(100)] == [b"READY=1", b"STOPPING=1"]


def test_nobody_who_asked_is_no_fault_and_nor_is_one_who_does_not_listen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify(READY)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    notify(READY)
