"""What a table of checks is given: the stage so far, beside the answer to the question that was asked after it.

Evidence is not a stage: anyone may put it together, and holding it proves nothing. `core/decide.py` makes a stage of it
once its table of checks has held.
"""

import msgspec

from guard.core.stages import Identified, Routed, Signed, Verified
from guard.model.bans import NO_BANS, Ban, Bans
from guard.model.claims import Claim, ClaimFault
from guard.model.facts import Body, Facts
from guard.model.halts import Halts
from guard.model.keys import KeyRecord
from guard.model.names import Address, UnixMs
from guard.model.policy import Route, RouteAuth, Service, Window
from guard.model.questions import Receipt, Unavailable
from guard.signing.scheme import Scheme


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """A message whose route is known, how strained the gateway is (messages less urgent than `strain` must wait), and
    what is halted.
    """

    routed: Routed
    strain: int
    halts: Halts


class Departure(msgspec.Struct, frozen=True, gc=False):
    """A verified message, the code of the reason why its backend cannot take it, if it cannot, what is halted, and who
    is banned. `crowded` says that it had to wait, and nobody more can be made to.
    """

    verified: Verified
    obstacle: str | None
    halts: Halts
    now: UnixMs
    bans: Bans = NO_BANS
    crowded: bool = False


class Draft(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A message whose route is known, with what it says of itself. `rivals` are further schemes that it carries."""

    facts: Facts
    service: Service
    route: Route
    address: Address
    auth: RouteAuth | None
    scheme: Scheme | None
    rivals: tuple[str, ...]
    claim: Claim | ClaimFault | None
    window: Window | None
    remember_ms: int
    now: UnixMs
    clock_is_sure: bool


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A message whose route is known, and how the limits that count its address took it: None if there are none.

    `standing` is what is in force against the address; `crowded` says that nobody more can be made to wait.
    """

    routed: Routed
    room: Receipt | None
    now: UnixMs
    standing: tuple[Ban, ...] = ()
    crowded: bool = False


class Screening(msgspec.Struct, frozen=True, gc=False):
    """An identified message, and what is known of its key."""

    identified: Identified
    record: KeyRecord | Unavailable | None


class Hearing(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A message whose head was looked at, with its body (None: it streams, on an open route).

    `facts` are those of the message with the body in place; `claim` is the whole claim, or why there is none.
    """

    signed: Signed
    body: Body | None
    facts: Facts
    claim: Claim | ClaimFault | None
    now: UnixMs
    bans: Bans = NO_BANS


class Admission(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A verified message, with the store's receipt and its key's record and the halts as they are now.

    `room` is how the address's limits took it, where that was not known before the body was read.
    """

    verified: Verified
    receipt: Receipt
    record: KeyRecord | Unavailable | None
    halts: Halts
    now: UnixMs
    room: Receipt | None = None
