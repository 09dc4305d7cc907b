"""Ports of 127.0.0.1 for servers that are about to start."""

import errno
import secrets
import socket

_PORTS = range(15_000, 32_000)


def free_port() -> int:
    """A port that nobody uses, below those that the system gives to clients: a client of 127.0.0.1 that is given the
    very port it connects to is connected to itself.
    """
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED:
                return port
