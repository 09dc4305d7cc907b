"""What systemd is told of a service of `Type=notify` (sd_notify(3)): one datagram to the socket that it names."""

import os
import socket
from typing import Final

READY: Final = b"READY=1"
STOPPING: Final = b"STOPPING=1"


def notify(state: bytes) -> None:
    """Tell it, if it asked to be told. What it does not hear is its own loss: a gateway serves all the same."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    if path.startswith("@"):  # a socket of Linux's abstract names
        path = "\0" + path[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as telling:
        telling.settimeout(1)
        try:
            telling.sendto(state, path)
        except OSError:
            return
