"""What a connection needs of the listener that it belongs to."""

from typing import TYPE_CHECKING, Protocol

from guard.server.exchange import Exchange
from guard.server.limits import Limits
from guard.server.refusal import Refused

if TYPE_CHECKING:
    from guard.server.connection import Connection


class Home(Protocol):
    """Where connections come from: the listener."""

    limits: Limits
    draining: bool

    def admit(self, connection: "Connection", visit: object) -> bool:
        """A connection was made; whoever came through the doorway for it has a place already. False if too many."""
        ...

    def gone(self, connection: "Connection") -> None:
        """Its socket is closed."""
        ...

    def run(self, connection: "Connection", exchange: Exchange) -> None:
        """Let the application answer; `returned` is called when it has."""
        ...

    def refused(self, refused: Refused) -> None:
        """Remember a refusal."""
        ...
