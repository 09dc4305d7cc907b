"""Sockets are bound at once; a Unix socket's file is ours alone, and a dead one's is replaced."""

import os
import socket
import stat
from pathlib import Path

import pytest

from guard.server.binding import Binding
from guard.server.endpoint import Internet, UnixPath


def test_a_unix_socket_is_for_owner_and_group_only_and_gone_in_the_end(tmp_path: Path) -> None:
    file = tmp_path / "guard.sock"
    umask = os.umask(0)
    try:
        binding = Binding(UnixPath(str(file)))
    finally:
        os.umask(umask)
    assert stat.S_IMODE(file.stat().st_mode) == 0o660
    assert binding.port == 0
    binding.close()
    assert not file.exists()
    binding.close()


def test_what_a_dead_process_left_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "guard.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(file))
    binding = Binding(UnixPath(str(file)))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(file))
    binding.close()


def test_a_socket_that_lives_is_left_alone_and_said_so(tmp_path: Path) -> None:
    file = tmp_path / "guard.sock"
    living = Binding(UnixPath(str(file)))
    for _ in range(2):
        with pytest.raises(OSError, match="another process listens on this socket") as refused:
            Binding(UnixPath(str(file)))
        assert refused.value.filename == str(file)
    living.close()


def test_one_whose_backlog_is_full_lives_too(tmp_path: Path) -> None:
    file = tmp_path / "guard.sock"
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as waiting:
        busy.bind(str(file))
        busy.listen(0)
        waiting.connect(str(file))
        with pytest.raises(OSError, match="another process listens"):
            Binding(UnixPath(str(file)))


def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "orders.txt"
    file.write_text("kept")
    with pytest.raises(OSError, match="no socket"):
        Binding(UnixPath(str(file)))
    assert file.read_text() == "kept"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as refused:
        Binding(UnixPath(str(tmp_path / "no" / "guard.sock")))
    assert refused.value.filename == str(tmp_path / "no" / "guard.sock")


def test_the_file_of_somebody_else_is_not_removed(tmp_path: Path) -> None:
    file = tmp_path / "guard.sock"
    binding = Binding(UnixPath(str(file)))
    (tmp_path / "other").write_text("other")
    (tmp_path / "other").replace(file)
    binding.close()
    assert file.read_text() == "other"


def test_a_file_that_is_gone_already_is_no_fault(tmp_path: Path) -> None:
    file = tmp_path / "guard.sock"
    binding = Binding(UnixPath(str(file)))
    file.unlink()
    binding.close()


def test_an_inherited_socket_is_taken_as_it_is_and_its_file_left_to_whoever_bound_it(tmp_path: Path) -> None:
    file = tmp_path / "guard.sock"
    first = Binding(UnixPath(str(file)))
    heir = Binding(UnixPath(str(file)), inherited=first.socket.dup())
    assert heir.port == 0
    heir.close()
    assert file.exists()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(file))
    first.close()
    assert not file.exists()


def test_an_inherited_port_is_the_one_that_it_is_bound_to() -> None:
    first = Binding(Internet("127.0.0.1", 0))
    heir = Binding(Internet("127.0.0.1", 0), inherited=first.socket.dup())
    assert heir.port == first.port
    heir.close()
    first.close()
