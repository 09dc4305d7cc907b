"""A compiled policy: what `policy/` made of the YAML files, in the form that the decision core reads.

Everything is resolved, and a rule that can deny knows its file and line.
"""

from collections.abc import Iterator, Mapping
from enum import IntEnum, StrEnum
from typing import TypeAlias

import msgspec

from guard.model.abuse import AbusePolicy
from guard.model.keys import KeyAlgorithm
from guard.model.names import UnixMs
from guard.model.pricing import Pricing, Settlement
from guard.model.requirements import Requirement, RouteNetworks
from guard.model.resources import Resources
from guard.model.rules import Mode, Rule
from guard.model.upstream_policy import UpstreamPolicy


class Bucket(msgspec.Struct, frozen=True, gc=False):
    """A token bucket: `capacity` tokens at most, `refill_tokens` more every `period_ms`. All integers, all positive."""

    capacity: int
    refill_tokens: int
    period_ms: int


class Calendar(msgspec.Struct, frozen=True, gc=False):
    """So many tokens in each UTC hour or day: `period_ms` divides the time since the epoch. All are back with the next.

    Who does not know how the period began has what would have come back evenly since (`state/calendar_quota.py`).
    """

    tokens: int
    period_ms: int

    @property
    def capacity(self) -> int:
        """The most tokens that there can be."""
        return self.tokens


class Slots(msgspec.Struct, frozen=True, gc=False):
    """So many exchanges at once. A charge takes one slot, whatever its cost, and holds it until it is released."""

    count: int

    @property
    def capacity(self) -> int:
        """The most slots that can be free."""
        return self.count


Meter: TypeAlias = Bucket | Calendar | Slots  # how a limit counts


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """A named quota, for each value of `per`, the partition key's dimensions. `cost` stands in place of the route's (1
    where it counts requests or slots), `of_bytes` counts bodies' bytes instead. `reserve` is for critical routes,
    `tier` whose keys it counts, apart from others. `exposed`: RateLimit fields may name it.
    """

    name: str
    rule: Rule
    meter: Meter
    per: tuple[str, ...]
    cost: int | None = None
    of_bytes: bool = False
    reserve: int = 0
    tier: str | None = None
    exposed: bool = True

    @property
    def before_auth(self) -> bool:
        """Whether the limit counts addresses, and so may be charged before anything is verified."""
        return "ip" in self.per and not self.of_account

    @property
    def counts_cost(self) -> bool:
        """Whether it takes what a route's requests cost."""
        return self.cost is None and not self.of_bytes

    @property
    def of_account(self) -> bool:
        """Whether what it counts belongs to one account, where there is one."""
        return "key" in self.per or "account" in self.per


class OnLoss(StrEnum):
    """What is done about a question that the shared store does not answer: No, Yes, or what this process knows."""

    DENY = "deny"
    ALLOW = "allow"
    LOCAL = "local"


class Loss(msgspec.Struct, frozen=True, gc=False):
    """What follows for messages that the shared store cannot be asked about: is it fresh, and is there room?
    `limits_percent` is the share of every limit that the whole fleet may give out, where `limits` is LOCAL.
    """

    replay: OnLoss = OnLoss.DENY
    limits: OnLoss = OnLoss.DENY
    limits_percent: int = 0


class Window(msgspec.Struct, frozen=True, gc=False):
    """How old a signature may be, and how far its clock may lead ours. Both inclusive.
    What was signed at `narrow_until` or before may only be `narrow_past_ms` old: a reload has widened the window, and
    what was accepted before it is not remembered for longer (`policy/widening.py`).
    """

    past_ms: int
    future_ms: int
    narrow_until: UnixMs = UnixMs(0)
    narrow_past_ms: int = 0


class RouteAuth(msgspec.Struct, frozen=True, kw_only=True):
    """How a route's messages are authenticated: which schemes, in order, and with which kinds of key.

    `windows` and `remember_ms` are per scheme, in the order of `schemes`. `remember_ms` is the widest past window that
    any route of any loaded service grants the scheme, so that nothing is forgotten while it could still pass somewhere.
    """

    rule: Rule
    schemes: tuple[str, ...]
    algorithms: frozenset[KeyAlgorithm]
    windows: tuple[Window, ...]
    remember_ms: tuple[int, ...]


class Urgency(IntEnum):
    """How much harm it does to refuse a message when the gateway itself has no room: the least is refused first."""

    ANONYMOUS = 0
    READ = 1
    ORDER = 2
    CRITICAL = 3


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """The unit of policy: METHOD + path template. `auth` None means that the route is open to anyone.

    `limits_address` are charged in SCREEN, `limits_principal` (`limits_by_tier` for keys of a tier) in ADMIT; all are
    narrowed to this route. `pricing` tells a cost that is not constant, `settlement` one that an answer tells.
    `max_body_bytes` and `total_ms` bound the exchange. `reads` says that repeating the message changes nothing.
    `resources` are the places of what its requests are about. `loss` is what follows when the shared store does not
    answer. `networks` None: it may be used from anywhere.
    """

    name: str
    method: str
    template: str
    rule: Rule
    auth: RouteAuth | None
    scope: str | None
    require: tuple[Requirement, ...] = ()
    networks: RouteNetworks | None = None
    group: str | None = None
    reads: bool
    critical: bool = False
    cost: int = 1
    pricing: Pricing | None = None
    settlement: Settlement | None = None
    limits_address: tuple[Limit, ...] = ()
    limits_principal: tuple[Limit, ...] = ()
    limits_by_tier: Mapping[str, tuple[Limit, ...]] = {}
    resources: Resources = {}
    max_body_bytes: int
    total_ms: int
    loss: Loss = Loss()

    @property
    def urgency(self) -> Urgency:
        """What kind of message the route is for."""
        if self.critical:
            return Urgency.CRITICAL
        if self.auth is None:
            return Urgency.ANONYMOUS
        return Urgency.READ if self.reads else Urgency.ORDER


class RouteNode(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the route tree: the next segment is a literal, any one segment, or (at the end) all the rest.
    `folded` holds the literals in lower case: a segment that matches one of them in all but case matches nothing, so
    that no spelling reaches a laxer route than the one that a case-insensitive backend would take it for.
    `here` and `rest` map a method, or ANY, to its route.
    """

    literals: dict[bytes, "RouteNode"] = {}
    folded: frozenset[bytes] = frozenset()
    variable: "RouteNode | None" = None
    here: dict[str, Route] = {}
    rest: dict[str, Route] = {}

    def routes(self) -> Iterator[Route]:
        """Every route of the tree; one that stands in it for two methods comes twice."""
        yield from self.here.values()
        yield from self.rest.values()
        for each in self.literals.values():
            yield from each.routes()
        if self.variable is not None:
            yield from self.variable.routes()


class ClientAddressPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Which proxies may speak for a client (`trust`, CIDR), in which field, and which addresses are refused or allowed.

    IPv6 subjects are counted by their first `v6_prefix` bits.
    """

    rule: Rule
    trust: tuple[str, ...] = ()
    field: bytes = b"x-forwarded-for"
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    v6_prefix: int = 64


class Service(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One policy file, compiled. `hosts` empty means any authority. `credentials` are the field names (lower case) that
    carry credentials of any accepted scheme; `secrets` those of them that are never forwarded. `local_replay` is a rule
    that only one process may obey (see `policy/losses.py`). Compared by identity.
    """

    name: str
    rule: Rule
    mode: Mode
    digest: str
    hosts: frozenset[bytes]
    prefix: bytes
    upstream: UpstreamPolicy
    client_ip: ClientAddressPolicy
    routes: RouteNode
    credentials: frozenset[bytes] = frozenset()
    secrets: frozenset[bytes] = frozenset()
    drop_fields: frozenset[bytes] = frozenset()
    local_replay: Rule | None = None
    abuse: AbusePolicy | None = None
    promotion_percent: int = 1


class PolicySet(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """All services of one policy directory. `digest` names the content: the first 7 hex digits of its SHA-256.

    `future_ms_max` is the widest clock lead that any route grants: a store younger than that cannot yet tell a replay.
    With a second person only: a key gets scopes of `dual_control`; a live change weakens, if `changes_by_two`.
    `store_ms_max` is the shared store's deadline.
    """

    services: tuple[Service, ...]
    digest: str
    future_ms_max: int = 0
    dual_control: frozenset[str] = frozenset()
    changes_by_two: bool = False
    store_ms_max: int | None = None
