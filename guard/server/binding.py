"""Sockets that are bound before anything is served, so that an address that is taken is told at once.

A Unix socket's file is readable and writable by its owner and group only (0660). One that a dead process left behind is
replaced; one that somebody listens on, and whatever is no socket, is left alone.
"""

import errno
import os
import socket
import stat

from guard.server.endpoint import Endpoint, Internet

BACKLOG = 2048
_UNIX_MODE = 0o660


class Binding:
    """A socket that is bound; a Unix socket listens already, so that others can tell it from a dead one's.

    `inherited` was bound by the process that started this one, which keeps its file. Raises OSError if the address
    cannot be had.
    """

    def __init__(self, at: Endpoint, *, inherited: socket.socket | None = None) -> None:
        self.port: int
        self._file: tuple[str, int] | None = None
        if inherited is not None:
            self.socket = inherited
            self.port = inherited.getsockname()[1] if isinstance(at, Internet) else 0
        elif isinstance(at, Internet):
            self.socket = bound(at.host, at.port)
            self.port = self.socket.getsockname()[1]
        else:
            self.socket = _unix(at.path)
            self._file = (at.path, os.lstat(at.path).st_ino)
            self.port = 0
        self.socket.setblocking(False)  # noqa: FBT003  # the socket module's own signature

    def close(self) -> None:
        """Close the socket, and remove its file if it is still this socket's."""
        self.socket.close()
        if self._file is None:
            return
        path, number = self._file
        self._file = None
        try:
            if os.lstat(path).st_ino == number:
                os.unlink(path)  # noqa: PTH108  # beside lstat
        except FileNotFoundError:
            return


def bound(host: str, port: int) -> socket.socket:
    """A TCP socket that is bound and does not listen yet."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError:
        listening.close()
        raise
    return listening


def _unix(path: str) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_if_dead(path)
        listening.bind(path)
        os.chmod(path, _UNIX_MODE)  # noqa: PTH101  # before it listens: until then nobody can connect
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise OSError(error.errno, error.strerror, path) from None
    return listening


def _remove_if_dead(path: str) -> None:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.EEXIST, "there is a file, and it is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)  # noqa: PTH108  # beside lstat
            return
        except BlockingIOError:  # its backlog is full: somebody listens
            pass
    raise OSError(errno.EADDRINUSE, "another process listens on this socket")
