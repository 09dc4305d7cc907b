"""What one concluded message is evidence of: pure, from its judgement and its outcome to what scores count.

Why nobody's rubbish scores a key that they do not hold: a key is named only where the signature was proved, by the
stage that the message reached or by the Deny of a check that stands behind the proof. Everything else counts against
the address it came from, and a proxy that the policy trusts is never counted at all.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final

import msgspec

from guard.core.checks.address import address_had_room
from guard.core.checks.freshness import nonce_is_fresh
from guard.core.once import identity_of
from guard.core.stages import Allow, Signed, Verified
from guard.model.abuse import AbusePolicy, Distinct, ScoreKind, Sighting, Signal, SubjectKind
from guard.model.decision import Deny
from guard.model.keys import KeyRecord
from guard.model.names import Address, RequestId
from guard.model.policy import Service
from guard.model.questions import Identity
from guard.model.rules import Mode
from guard.service.judge import Judgement
from guard.wire.client_address import in_networks, network_of, widening

_V4_NETWORK, _V6_NETWORK = 24, 48
_TICKS: Final = 64


_NOTHING: Final[Mapping[bytes, int]] = {}
_OTHERS: Final = {address_had_room.__name__, nonce_is_fresh.__name__}


class Event(msgspec.Struct, frozen=True, gc=False):
    """One message as signals see it. `holder` is the key that was proved, `claimed` the one that it named; `told` are
    the numbers that its answer tells, by field.
    """

    service: Service
    address: Address
    request_id: RequestId
    route: str = ""
    holder: KeyRecord | None = None
    claimed: str = ""
    upstream_ms: int = 0
    told: Mapping[bytes, int] = _NOTHING


def holder_of(judgement: Judgement) -> KeyRecord | None:
    """The key that the message was proved to be signed with; None where that was not proved, or its route is open.

    Nor is anybody's what was refused because its address had no room: others from there may have taken it; or because
    the same had come before: a copy is not its holder's. With a shared store both are known only after the proof.
    """
    reached, outcome = judgement.reached, judgement.outcome
    if isinstance(outcome, Allow):  # almost every message
        return outcome.verified.record
    if outcome.check in _OTHERS:  # knockout: others_may_have_caused_it
        return None
    if isinstance(reached, Allow | Verified):
        return reached.record
    if isinstance(reached, Signed) and outcome.about is not None:
        if outcome.about.account is None:  # knockout: proof_is_needed
            return None
        return reached.screened.record
    return None


def message_of(judgement: Judgement, *, also_spent: bool = False) -> Identity | None:
    """What tells it from other messages of its key, where the same can come again.

    None where its scheme signs no time, so that nothing tells two apart. None, but for `also_spent`, where it was
    admitted and its nonce is spent: the store refuses the next, unless that is refused before the store is asked.
    """
    reached, outcome = judgement.reached, judgement.outcome
    if isinstance(reached, Signed):
        return outcome.about.message if isinstance(outcome, Deny) and outcome.about is not None else None
    if isinstance(outcome, Allow) and not also_spent:
        claim = outcome.verified.claim
        if claim is None or claim.nonce is not None:
            return None
    if judgement.paid is not None and judgement.paid.once is not None:
        return judgement.paid.once.identity
    verified = reached.verified if isinstance(reached, Allow) else reached
    return identity_of(verified) if isinstance(verified, Verified) else None


class Watched:
    """The signals that one kind of event on one route is for. Compared by identity.

    A second event of the same key from the same address within `again_ms` tells them nothing: all count different
    values. Those are remembered for so much less than the signal's time at most, a 64th of it. 0: each event counts.
    """

    __slots__ = ("again_ms", "signals")

    def __init__(self, signals: tuple[Signal, ...]) -> None:
        self.signals = signals
        only_values = all(_counts_values_alone(signal) for signal in signals)
        self.again_ms = min((signal.over_ms // _TICKS for signal in signals), default=0) if only_values else 0


@lru_cache(maxsize=4096)
def watched(policy: AbusePolicy, what: str | int, route: str, *, tells: bool = False) -> Watched:
    """The signals on a code, or on answers of a status by its first digit, that are for this route: one value for all
    kinds of event that have the same.

    `tells`: the answer has told numbers. Else signals that count by one have nothing to count.
    """
    signals = policy.by_code.get(what, ()) if isinstance(what, str) else policy.by_status[what]
    here = [signal for signal in signals if signal.routes is None or route in signal.routes]
    return _together(policy, tuple([signal for signal in here if tells or signal.field is None]))


@lru_cache(maxsize=4096)
def _together(_policy: AbusePolicy, signals: tuple[Signal, ...]) -> Watched:
    return Watched(signals)


def _counts_values_alone(signal: Signal) -> bool:
    if signal.distinct is None or signal.at_least == 1:
        return False
    return not signal.slower_than_ms and signal.field is None


def concerns(signal: Signal, event: Event) -> bool:
    """Whether the event is one that a signal for its route counts, whosever it is."""
    if event.upstream_ms < signal.slower_than_ms:
        return False
    if signal.field is None:
        return True
    told = event.told.get(signal.field)
    if told is None:  # knockout: silence_is_not_zero
        return False
    return told > 0 or not signal.is_counterpart


def sightings_of(signals: Sequence[Signal], policy: AbusePolicy, event: Event) -> Iterator[Sighting]:
    """One for each signal that the event concerns, and for each score that the signal counts to."""
    for signal in signals:
        names = _names(signal.per, policy, event)
        for score in _scores(signal, policy) if names else ():
            yield Sighting(
                service=event.service.name,
                policy=policy,
                signal=signal,
                score=score,
                names=names,
                request_id=event.request_id,
                value="" if signal.distinct is None else _value(signal.distinct, event),
                amount=event.told[signal.field] if signal.is_counterpart and signal.field is not None else 1,
            )


def _scores(signal: Signal, policy: AbusePolicy) -> tuple[ScoreKind, ...]:
    if signal.rule.mode is Mode.SHADOW:
        return (ScoreKind.TRIAL,)
    return (ScoreKind.REAL, ScoreKind.TRIAL) if policy.tries else (ScoreKind.REAL,)


def _names(kind: SubjectKind, policy: AbusePolicy, event: Event) -> tuple[str, ...]:
    """Whose score it is; empty if nobody's."""
    if kind is SubjectKind.IP:
        client_ip = event.service.client_ip
        if in_networks(event.address, (*policy.exempt_ips, *client_ip.trust)):  # knockout: exempt_address
            return ()
        return widening(event.address, client_ip.v6_prefix)
    holder = event.holder
    if holder is None or {holder.id, holder.lineage} & policy.exempt_keys:  # knockout: exempt_key
        return ()
    return (holder.lineage,) if kind is SubjectKind.KEY else (holder.account,)


def _value(distinct: Distinct, event: Event) -> str:
    match distinct:
        case Distinct.KEY:
            return event.claimed[:128]
        case Distinct.IP:
            return event.address
        case Distinct.NETWORK:
            return network_of(event.address, _V6_NETWORK if ":" in event.address else _V4_NETWORK)
        case Distinct.ROUTE:
            return event.route
