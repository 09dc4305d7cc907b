"""What policies would have said to the requests of a log, by the log's own clock.

The limits, addresses and routes are judged by the line's own functions; what only a signature or a body could tell is
taken from the log. A client that had been refused earlier might have gone on differently: that cannot be replayed.
"""

from functools import lru_cache

import msgspec

from guard.core import decide
from guard.core.checks.limits import short_limit
from guard.core.pricing import price_at_head
from guard.core.stages import Routed
from guard.core.subjects import debits
from guard.model.decision import Deny
from guard.model.facts import Facts, Transport
from guard.model.keys import KeyAlgorithm, KeyRecord, Secret
from guard.model.names import AccountId, KeyId, RequestId, UnixMs
from guard.model.policy import PolicySet, Service, Slots
from guard.model.questions import Charge, Debit, Granted, Reading, Receipt, Short
from guard.model.rules import Mode
from guard.state.memory import MemoryLimits
from guard.wire.access_log import LogLine
from guard.wire.field_names import field_names

_LONG_AGO_MS = 366 * 86_400_000
_KEPT = ("gateway.", "store.", "request.", "abuse.")
"""Outcomes that came of what a log does not tell: they are taken to come again."""


_NO_NAMES = field_names(())


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What is said to one request: `allow` or a reason code, what shadow rules would have said, and the meters."""

    code: str
    shadow: tuple[str, ...] = ()
    readings: tuple[Reading, ...] = ()


class Backtest:
    """One run of one set of policies over one log, oldest line first. Slots (`concurrent`) are not replayed."""

    def __init__(self, policies: PolicySet) -> None:
        self._policies = policies
        self._hosts = {service.name: _host(service) for service in policies.services}
        self._store: MemoryLimits | None = None
        self._now = UnixMs(0)
        self._count = 0
        self._record = lru_cache(maxsize=65_536)(_record)

    def judge(self, line: LogLine) -> Verdict:
        """The verdict on the next request. Lines may be a little out of order: the store lets no time go back."""
        self._now = line.at
        self._count += 1
        if line.path is None or line.outcome.startswith(_KEPT):
            return Verdict(line.outcome)
        routed = decide.route(self._policies, self._facts(line))
        if isinstance(routed, Deny):
            return Verdict(routed.code)
        return self._judged(routed, line)

    def _judged(self, routed: Routed, line: LogLine) -> Verdict:
        cost = _cost(routed, line)
        room = self._ask(debits(routed, None, routed.route.limits_address, cost, line.body_bytes), "address")
        entered = decide.enter(routed, room)
        if isinstance(entered, Deny):
            return Verdict(entered.code, _codes(entered.shadow), entered.readings)
        shadow = _codes(entered.shadow)
        if routed.route.auth is not None and line.outcome.startswith(("auth.", "authz.")):
            return Verdict(line.outcome, shadow, entered.readings)
        limits = routed.route.limits_principal
        taken = debits(routed, self._holder(line), limits, cost, line.body_bytes)
        receipt = self._ask(taken, "principal")
        readings = receipt.readings if isinstance(receipt, Granted | Short) else ()
        deny = short_limit(readings)
        everything = (*entered.readings, *readings)
        if deny is None:
            return Verdict("allow", shadow, everything)
        if deny.rule is not None and deny.rule.mode is Mode.SHADOW:
            return Verdict("allow", (*shadow, deny.code, *_codes(deny.shadow)), everything)
        return Verdict(deny.code, (*shadow, *_codes(deny.shadow)), everything)

    def _facts(self, line: LogLine) -> Facts:
        return Facts(
            transport=Transport.HTTP,
            verb=line.verb,
            authority=self._hosts.get(line.service or "", line.authority),
            path=line.path or b"",
            query=line.query,
            names=_NO_NAMES,
            peer=line.ip,
            received_at=self._now,
            request_id=RequestId(str(self._count)),
        )

    def _ask(self, due: tuple[Debit, ...], what: str) -> Receipt | None:
        """What the limits answer that are charged this; None where there are none."""
        taken = tuple(debit for debit in due if not isinstance(debit.limit.meter, Slots))
        if not taken:
            return None
        if self._store is None:  # whoever was there before the log began is taken to have been idle
            self._store = MemoryLimits(UnixMs(self._now - _LONG_AGO_MS), receipts_max=1)
        return self._store.ask(Charge(id=f"{self._count}/{what}", now=self._now, debits=taken))

    def _holder(self, line: LogLine) -> KeyRecord | None:
        return None if line.key is None else self._record(line.key, line.account or line.key)


def _cost(routed: Routed, line: LogLine) -> int | None:
    """What it costs if its route does not say: as the log tells, or as far as its head does."""
    route = routed.route
    if route.pricing is None and route.settlement is None:
        return None
    return line.cost if line.cost is not None else price_at_head(route, routed.facts)


def _codes(denies: tuple[Deny, ...]) -> tuple[str, ...]:
    return tuple(deny.code for deny in denies)


def _record(key: str, account: str) -> KeyRecord:
    key_id = KeyId(key)
    return KeyRecord(
        id=key_id,
        account=AccountId(account),
        algorithm=KeyAlgorithm.HMAC_SHA256,
        material=Secret(b""),
        lineage=key_id,
        created_at=UnixMs(0),
    )


def _host(service: Service) -> bytes:
    """An authority under which the service is found; it has a prefix of its own otherwise."""
    return min(service.hosts, default=b"")
