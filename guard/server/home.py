"""What a connection needs of the listener that it belongs to."""

from typing import TYPE_CHECKING, Protocol

from guard.server.exchange import Exchange
from guard.server.limits import Limits

if TYPE_CHECKING:
    from guard.server.connection import Connection


class Home(Protocol):
    """Where connections come from: the listener."""

    limits: Limits
    draining: bool

    def admit(self, connection: "Connection") -> bool:
        """A connection was made. False if there are too many."""
        ...

    def gone(self, connection: "Connection") -> None:
        """Its socket is closed."""
        ...

    def run(self, connection: "Connection", exchange: Exchange) -> None:
        """Let the application answer; `returned` is called when it has."""
        ...
