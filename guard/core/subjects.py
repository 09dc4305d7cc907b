"""Whose meter does a limit count on? The partition key of each limit, as a tuple that is compared part by part.

Who has no key is counted by address, under the name `anonymous`: a missing dimension is never an unlimited one
(BYPASSES.md A44). What costs more than such a bucket holds takes all of it: it was made for keys. A rotated key's
bucket follows its lineage. Keys of a tier that has a rate of its own count apart from all others, so that no two rates
ever count on one meter. What is kept in reserve must be left by everything that is not critical; what costs nothing
needs nothing to be left.
"""

from typing import Final

from guard.core.stages import Identified, Routed, Verified
from guard.model.keys import KeyRecord
from guard.model.policy import Limit, Slots
from guard.model.questions import BucketKey, Debit
from guard.model.rules import Mode
from guard.wire.client_address import subject

_OFF, _ENFORCE = Mode.OFF, Mode.ENFORCE  # looking up a member of an enumeration is slow in Python 3.11
_LEASE_MARGIN_MS: Final = 1_000
"""How much longer a lease lasts than its exchange may, so that it never ends before it is released."""


def debits(
    message: Routed | Identified,
    record: KeyRecord | None,
    limits: tuple[Limit, ...],
    cost: int | None = None,
    body_bytes: int | None = None,
) -> tuple[Debit, ...]:
    """What the message takes from each limit that is not off. Shadow limits ask too, and never refuse.

    `cost` is what it costs if not what its route says, and `body_bytes` the length of its body, where that is known.
    """
    route = message.route
    if cost is None:
        cost = route.cost
    taken = []
    for limit in limits:
        mode = limit.rule.mode
        if mode is _OFF:
            continue
        own = cost if limit.cost is None else limit.cost
        due = _bytes(message, body_bytes) if limit.of_bytes else own
        spare = 0 if route.critical or due == 0 else limit.reserve
        if record is None and limit.of_account:
            due = min(due, limit.meter.capacity - spare)
        taken.append(Debit(_bucket(message, record, limit), limit, due, mode is _ENFORCE, spare))
    return tuple(taken)


def due(verified: Verified) -> tuple[Debit, ...]:
    """What a message takes from the limits of its principal."""
    content, record, route = verified.content, verified.record, verified.identified.route
    limits = route.limits_principal
    if record is not None and record.tier is not None and route.limits_by_tier:
        limits = route.limits_by_tier.get(record.tier, limits)
    return debits(verified.identified, record, limits, verified.cost, None if content is None else len(content))


def _bytes(message: Routed | Identified, body_bytes: int | None) -> int:
    """The bytes of the body. Of one that streams: what it announces, or else the most that it may have."""
    if body_bytes is not None:
        return body_bytes
    announced = message.facts.body_bytes_announced
    return message.route.max_body_bytes if announced is None else announced


def _bucket(message: Routed | Identified, record: KeyRecord | None, limit: Limit) -> BucketKey:
    parts = [message.service.name, limit.name]
    if limit.tier is not None:
        parts += ("tier", limit.tier)
    for dimension in limit.per:
        if record is not None and dimension == "key":
            parts += ("key", record.lineage)
        elif record is not None and dimension == "account":
            parts += ("account", record.account)
        else:
            parts += _partition(dimension, message)
    return tuple(parts)


def _partition(dimension: str, message: Routed | Identified) -> tuple[str, str]:
    """The value of a dimension that no key has to do with, or of one where there is no key."""
    match dimension:
        case "group" if message.route.group is not None:
            return ("group", message.route.group)
        case "route" | "group":  # who belongs to no group is one by itself
            return ("route", message.route.name)
        case "service":
            return ("service", message.service.name)
        case "ip":
            return ("ip", subject(message.address, message.service.client_ip.v6_prefix))
        case _:
            return ("anonymous", subject(message.address, message.service.client_ip.v6_prefix))


def hold_ms(taken: tuple[Debit, ...], exchange_ms: int) -> int:
    """How long the slots are leased that are asked for; 0 where none is."""
    for debit in taken:
        if isinstance(debit.limit.meter, Slots):
            return exchange_ms + _LEASE_MARGIN_MS
    return 0
