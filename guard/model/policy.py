"""A compiled policy: what `policy/` made of the YAML files, in the form that the decision core reads.

Everything is resolved: defaults filled, names looked up, durations in milliseconds. A rule that can deny knows the file
and line that it came from. No YAML, no paths to open, no behaviour.
"""

from collections.abc import Iterator
from enum import IntEnum, StrEnum
from typing import Final, TypeAlias

import msgspec

from guard.model.keys import KeyAlgorithm
from guard.model.names import UnixMs
from guard.model.requirements import Requirement, RouteNetworks
from guard.model.rules import Mode, Rule

APP: Final = "app"
"""Where a backend's URL would stand: the application that guard is wrapped around is the backend."""


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


Meter: TypeAlias = Bucket | Calendar | Slots
"""How a limit counts."""


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """A named quota. `per` lists the partition key's dimensions: ip, key, account, route, service.

    `cost` overrides the route's cost for this limit. `exposed` says whether RateLimit fields may name it.
    """

    name: str
    rule: Rule
    meter: Meter
    per: tuple[str, ...]
    cost: int | None = None
    exposed: bool = True

    @property
    def before_auth(self) -> bool:
        """Whether the limit counts addresses, and so is charged before anything is verified."""
        return "ip" in self.per and "key" not in self.per and "account" not in self.per

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
    """What a policy says of messages that the shared store cannot be asked about: is it fresh, and is there room?

    `limits_percent` is the share of every limit that the whole fleet may give out meanwhile, where `limits` is LOCAL.
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

    `limits_address` are charged in SCREEN, `limits_principal` in ADMIT; both are already narrowed to this route.
    `max_body_bytes` and `total_ms` bound the exchange. `reads` says that repeating the message changes nothing.
    `loss` is what follows when the shared store does not answer. `networks` None: it may be used from anywhere.
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
    limits_address: tuple[Limit, ...] = ()
    limits_principal: tuple[Limit, ...] = ()
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


class UpstreamTls(msgspec.Struct, frozen=True, kw_only=True):
    """What TLS to a backend needs beside the defaults: files with its authority and our own certificate, in PEM.

    `ca` None: the public authorities that the system trusts. `server_name` None: the host of the URL.
    """

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    server_name: str | None = None


class HealthPolicy(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What each endpoint is asked of itself, how often, and how many equal verdicts in a row are believed."""

    path: bytes
    every_ms: int
    timeout_ms: int
    healthy: int
    unhealthy: int


class BreakerPolicy(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Nothing is sent for `open_ms` when of at least `exchanges_min` in a window this share has failed."""

    failures_percent: int
    exchanges_min: int
    window_ms: int
    open_ms: int


class UpstreamPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The backend: http:// or https:// origins, any of which will do, and how long we wait (a route bounds the whole).

    `connections_max` and `waiting_max` are those of each origin. Or it is APP alone: then nothing else counts but
    `assertion`, which says that requests carry one.
    """

    urls: tuple[str, ...]
    connect_ms: int
    response_ms: int
    idle_ms: int
    connections_max: int
    waiting_max: int
    assertion: bool = False
    tls: UpstreamTls | None = None
    health: HealthPolicy | None = None
    breaker: BreakerPolicy | None = None


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


class PolicySet(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """All services of one policy directory. `digest` names the content: the first 7 hex digits of its SHA-256.

    `future_ms_max` is the widest clock lead that any route grants: a store younger than that cannot yet tell a replay.
    `dual_control` are the scopes that a key gets only with a second person. Compared by identity.
    """

    services: tuple[Service, ...]
    digest: str
    future_ms_max: int = 0
    dual_control: frozenset[str] = frozenset()
