"""Whose meter does a limit count on? The partition key of each limit, as a tuple that is compared part by part.

Who has no key is counted by address, under the name `anonymous`: a missing dimension is never an unlimited one
(BYPASSES.md A44). A rotated key's bucket follows its lineage.
"""

from typing import Final

from guard.core.stages import Identified, Routed
from guard.model.keys import KeyRecord
from guard.model.policy import Limit, Slots
from guard.model.questions import BucketKey, Debit
from guard.model.rules import Mode
from guard.wire.client_address import subject

_LEASE_MARGIN_MS: Final = 1_000
"""How much longer a lease lasts than its exchange may, so that it never ends before it is released."""


def debits(message: Routed | Identified, record: KeyRecord | None, limits: tuple[Limit, ...]) -> tuple[Debit, ...]:
    """What the message takes from each limit that is not off. Shadow limits ask too, and never refuse."""
    cost = message.route.cost
    return tuple(
        [
            Debit(
                _bucket(message, record, limit),
                limit,
                _cost(limit, cost),
                limit.rule.mode is Mode.ENFORCE,
            )
            for limit in limits
            if limit.rule.mode is not Mode.OFF
        ]
    )


def _cost(limit: Limit, cost: int) -> int:
    if isinstance(limit.meter, Slots):
        return 1
    return cost if limit.cost is None else limit.cost


def _bucket(message: Routed | Identified, record: KeyRecord | None, limit: Limit) -> BucketKey:
    parts = [message.service.name, limit.name]
    for dimension in limit.per:
        parts += _partition(dimension, message, record)
    return tuple(parts)


def _partition(dimension: str, message: Routed | Identified, record: KeyRecord | None) -> tuple[str, str]:
    match dimension:
        case "route":
            return ("route", message.route.name)
        case "service":
            return ("service", message.service.name)
        case "key" if record is not None:
            return ("key", record.lineage)
        case "account" if record is not None:
            return ("account", record.account)
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
