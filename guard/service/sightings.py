"""What one concluded message is evidence of: pure, from its judgement and its outcome to what scores count.

Why nobody's rubbish scores a key that they do not hold: a key is named only where the signature was proved, by the
stage that the message reached or by the Deny of a check that stands behind the proof. Everything else counts against
the address it came from, and a proxy that the policy trusts is never counted at all.
"""

from collections.abc import Iterator, Mapping, Sequence

from guard.core.stages import Allow, Signed, Verified
from guard.model.abuse import AbusePolicy, Distinct, ScoreKind, Sighting, Signal, SubjectKind
from guard.model.decision import Deny
from guard.model.keys import KeyRecord
from guard.model.names import Address, RequestId
from guard.model.policy import Service
from guard.model.rules import Mode
from guard.service.judge import Judgement
from guard.wire.client_address import in_networks, network_of, widening

_V4_NETWORK, _V6_NETWORK = 24, 48


class Event:
    """One message as signals see it. `holder` is the key that was proved, `claimed` the one that it named; `told` are
    the numbers that its answer tells, by field.
    """

    __slots__ = ("address", "claimed", "holder", "request_id", "route", "service", "told", "upstream_ms")

    def __init__(
        self,
        service: Service,
        address: Address,
        request_id: RequestId,
        *,
        route: str = "",
        holder: KeyRecord | None = None,
        claimed: str = "",
        upstream_ms: int = 0,
        told: Mapping[bytes, int] | None = None,
    ) -> None:
        self.service = service
        self.address = address
        self.request_id = request_id
        self.route = route
        self.holder = holder
        self.claimed = claimed
        self.upstream_ms = upstream_ms
        self.told = told or {}


def holder_of(judgement: Judgement) -> KeyRecord | None:
    """The key that the message was proved to be signed with; None where that was not proved, or its route is open."""
    reached, outcome = judgement.reached, judgement.outcome
    if isinstance(reached, Allow | Verified):
        return reached.record
    if isinstance(reached, Signed) and isinstance(outcome, Deny) and outcome.about is not None:
        if outcome.about.account is None:  # knockout: proof_is_needed
            return None
        return reached.screened.record
    return None


def sightings_of(signals: Sequence[Signal], policy: AbusePolicy, event: Event) -> Iterator[Sighting]:
    """One for each signal that the event is for, and for each score that the signal counts to."""
    for signal in signals:
        if signal.routes is not None and event.route not in signal.routes:
            continue
        if event.upstream_ms < signal.slower_than_ms:
            continue
        amount = 1
        if signal.field is not None:  # knockout: silence_is_not_zero
            told = event.told.get(signal.field)
            if told is None or (signal.is_counterpart and told == 0):
                continue
            amount = told if signal.is_counterpart else 1
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
                amount=amount,
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
