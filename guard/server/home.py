"""What a connection needs of the listener that it belongs to."""

from collections.abc import Awaitable
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

    def run(self, exchange: Exchange) -> None:
        """Let the application answer; `returned` is called at the end of the task that this takes, if it takes one."""
        ...

    def later(self, exchange: Exchange, rest: Awaitable[None]) -> None:
        """Run this as the exchange's task; `returned` is called at its end."""
        ...

    def orphaned(self, exchange: Exchange) -> None:
        """The client of an exchange has gone before it was answered."""
        ...

    def concluded(self, exchange: Exchange) -> None:
        """Nothing is left to do for an orphan."""
        ...

    def refused(self, refused: Refused) -> None:
        """Remember a refusal."""
        ...
