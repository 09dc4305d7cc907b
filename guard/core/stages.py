"""The stages of one message on its way through the line: each can only be made from the one before.

Facts → Routed → Entered → Identified → Screened → Signed → Verified → Allow. Holding a stage proves that every check
before it held. They are constructed only in `core/decide.py`; everyone else takes them as arguments, so that skipping a
step is a type error.
"""

import msgspec

from guard.core.pricing import Price
from guard.model.bans import Ban
from guard.model.claims import Claim
from guard.model.decision import Deny
from guard.model.facts import Facts
from guard.model.keys import KeyRecord
from guard.model.names import Address, UnixMs
from guard.model.policy import Route, RouteAuth, Service, Window
from guard.model.questions import Reading
from guard.signing.scheme import Scheme


class Routed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The message is unambiguous, and one route of one service is for it. `address` is the client's own."""

    facts: Facts
    service: Service
    route: Route
    address: Address


class Entered(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The address that the message came from may ask, and has room. Nothing was read yet of what it claims.

    `standing` is what is in force against the address all the same, and `delay_ms` how long the message must wait.
    """

    routed: Routed
    readings: tuple[Reading, ...]
    shadow: tuple[Deny, ...]
    standing: tuple[Ban, ...] = ()
    delay_ms: int = 0


class Identified(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The message says who signed it and when, once, in the right form and not too long ago; or its route is open.

    `scheme`, `claim` and `window` are None together: then the route is open to anyone. `auth` is the rule that applied,
    `at` when it did.
    """

    facts: Facts
    service: Service
    route: Route
    address: Address
    auth: RouteAuth | None
    scheme: Scheme | None
    claim: Claim | None
    window: Window | None
    remember_ms: int
    at: UnixMs
    readings: tuple[Reading, ...]
    shadow: tuple[Deny, ...]
    standing: tuple[Ban, ...] = ()


class Screened(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A key record is at hand: the real one, or a decoy that costs as much to try.

    `unfit` is the code of the reason why no signature can verify here, where the record is a decoy: nobody holds that
    key, or its kind is not accepted on this route. None means that the record is the real one.
    """

    identified: Identified
    record: KeyRecord | None
    unfit: str | None
    shadow: tuple[Deny, ...]


class Signed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The head has been looked at; now the body may be read. `proved` says that the signature already verified.

    It is False where the signature covers the body itself, and the body is still to come.
    """

    screened: Screened
    proved: bool
    shadow: tuple[Deny, ...]


class Verified(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Who signed this is proved (or the route is open), the body is whole, and its key may do this.

    `content` is the body that was verified, None where an open route streams it. `record` is None on open routes.
    `claim` is the whole claim, also where parts of it came in the body. `at` is when all that was found. `price` is
    what it costs, None where its route's cost is constant.
    """

    identified: Identified
    claim: Claim | None
    record: KeyRecord | None
    content: bytes | None
    at: UnixMs
    readings: tuple[Reading, ...]
    shadow: tuple[Deny, ...]
    price: Price | None = None

    @property
    def cost(self) -> int:
        """What it costs where a limit does not say otherwise."""
        return self.identified.route.cost if self.price is None else self.price.cost


class Allow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The message may go to the backend. `admitted_at` is the time that the store used."""

    verified: Verified
    admitted_at: UnixMs
    readings: tuple[Reading, ...]
    shadow: tuple[Deny, ...]

    @property
    def facts(self) -> Facts:
        """The message as it arrived."""
        return self.verified.identified.facts

    @property
    def service(self) -> Service:
        """The service whose backend gets it."""
        return self.verified.identified.service

    @property
    def route(self) -> Route:
        """The route that matched."""
        return self.verified.identified.route

    @property
    def record(self) -> KeyRecord | None:
        """The key that signed it; None on an open route."""
        return self.verified.record
