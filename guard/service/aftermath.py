"""The line after the answer: what was decided and what came of it is counted and logged, a request that never reached
its backend gets its tokens back, and its slots are free again. Never on the answer's path.
"""

from collections.abc import Callable, Mapping

import msgspec

from guard.core.checks.key import HONEYTOKEN
from guard.core.pricing import settled
from guard.core.stages import Allow, Verified
from guard.model.decision import About, DecisionEvent, Deny
from guard.model.exchange import Sent
from guard.model.facts import Facts
from guard.model.names import Address, KeyId, RequestId, UnixMs
from guard.service.judge import Judgement
from guard.service.promotions import Promotions
from guard.service.watch import Watch
from guard.state.protocols import LimitStore
from guard.telemetry.meter import Meter


class Outcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What became of a message: the status that was sent, whether the backend has it, and how long it took.

    `code` is the reason for which a message that was allowed got no answer of its backend. `cost` is what its answer
    says that it has cost, None where that is not for the answer to say; `told` are the numbers in fields of it that
    signals of abuse count by.
    """

    status: int
    sent: Sent
    code: str | None = None
    cost: int | None = None
    told: Mapping[bytes, int] | None = None
    guard_us: int
    upstream_us: int | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    error: str | None = None


class Aftermath:
    """Concludes one message after another. `record` takes a finished event, where anybody wants one (else None).

    `key_tag` hides a key id behind a tag; `watch` is told of each message, last, `promotions` while it listens, and
    `alarm` of each honeytoken used.
    """

    def __init__(
        self,
        limits: LimitStore,
        record: Callable[[DecisionEvent], None] | None,
        key_tag: Callable[[KeyId], str],
        timestamp: Callable[[UnixMs], str],
        meter: Meter,
        *,
        watch: Watch | None = None,
        alarm: Callable[[KeyId, Address, RequestId], object] = lambda _key, _address, _request: None,
        promotions: Promotions | None = None,
    ) -> None:
        self._limits = limits
        self._record = record
        self._key_tag = key_tag
        self._timestamp = timestamp
        self._meter = meter
        self._watch = watch
        self._alarm = alarm
        self._promotions = promotions

    async def conclude(self, facts: Facts, judgement: Judgement, outcome: Outcome) -> None:
        """Count the decision; give slots back, and tokens if not one byte reached the backend; settle what its
        answer was to tell; log it.
        """
        self._count(judgement, outcome)
        denied = judgement.outcome
        if isinstance(denied, Deny) and denied.code == HONEYTOKEN and denied.about is not None:
            self._alarm(denied.about.key_id, _address(facts, judgement), facts.request_id)
        paid, room = judgement.paid, judgement.room
        if paid is not None:
            if outcome.sent is Sent.NO:
                await self._limits.refund(paid)
            elif outcome.cost is not None:
                await self._limits.settle(paid, settled(paid, outcome.cost))
            elif paid.hold_ms:
                await self._limits.release(paid)
        if room is not None:
            await self._limits.release(room)
        if self._record is not None:
            self._record(self._event(facts, judgement, outcome))
        if self._watch is not None:
            self._watch.saw(facts, judgement, outcome.status, outcome.code, outcome.upstream_us, outcome.told)
        if self._promotions is not None and self._promotions.listening:
            self._promotions.saw(judgement)

    def _count(self, judgement: Judgement, outcome: Outcome) -> None:
        judged, routed, meter = judgement.outcome, judgement.routed, self._meter
        service, route = ("", "") if routed is None else (routed.service.name, routed.route.name)
        decision, reason = ("deny", judged.code) if isinstance(judged, Deny) else ("allow", outcome.code or "")
        meter.concluded(service, route, decision, reason, outcome.guard_us, outcome.upstream_us)
        for would in judgement.shadow:
            meter.decision(service, route, "deny", would.code, "shadow")

    def _event(self, facts: Facts, judgement: Judgement, outcome: Outcome) -> DecisionEvent:
        deny = judgement.outcome if isinstance(judgement.outcome, Deny) else None
        routed, about = judgement.routed, _about(judgement)
        readings = judgement.outcome.readings
        return DecisionEvent(
            ts=self._timestamp(facts.received_at),
            id=facts.request_id,
            decision="allow" if deny is None else "deny",
            reason=outcome.code if deny is None else deny.code,
            rule=None if deny is None or deny.rule is None else str(deny.rule),
            status=outcome.status,
            sent=outcome.sent.value,
            service=None if routed is None else routed.service.name,
            policy=None if routed is None else routed.service.digest,
            transport=facts.transport.value,
            method=facts.verb,
            route=None if routed is None else routed.route.name,
            shadow=tuple(would.code for would in judgement.shadow),
            cost=None if routed is None else _cost(judgement, routed.route.cost, outcome.cost),
            key=None if about is None else self._key_tag(about.key_id),  # as claimed: only an account is a proof
            account=None if about is None else about.account,
            ip=_address(facts, judgement),
            scheme=None if about is None else about.scheme,
            skew_ms=_skew_ms(facts, judgement, deny),
            buckets={r.limit.name: (r.remaining, r.limit.meter.capacity) for r in readings} or None,
            guard_us=outcome.guard_us,
            upstream_us=outcome.upstream_us,
            bytes_in=outcome.bytes_in,
            bytes_out=outcome.bytes_out,
            error=outcome.error,
        )


def _address(facts: Facts, judgement: Judgement) -> Address:
    routed = judgement.routed
    return facts.peer if routed is None else routed.address


def _about(judgement: Judgement) -> About | None:
    """Whose message it was: as the Deny says, or as far as the message came."""
    if isinstance(judgement.outcome, Deny) and judgement.outcome.about is not None:
        return judgement.outcome.about
    identified, reached = judgement.identified, judgement.reached
    if identified is None or identified.claim is None:
        return None
    proved = reached.record if isinstance(reached, Allow | Verified) else None
    return About(identified.claim.key_id, identified.claim.scheme, None if proved is None else proved.account)


def _cost(judgement: Judgement, constant: int, told: int | None) -> int:
    """What it has cost where a limit does not say otherwise, as far as that was found."""
    if told is not None:
        return told
    match judgement.reached:
        case Allow():
            return judgement.reached.verified.cost
        case Verified():
            return judgement.reached.cost
        case _:
            return constant


def _skew_ms(facts: Facts, judgement: Judgement, deny: Deny | None) -> int | None:
    if deny is not None and deny.skew_ms is not None:
        return deny.skew_ms
    identified = judgement.identified
    claim = None if identified is None else identified.claim
    return None if claim is None or claim.signed_at is None else facts.received_at - claim.signed_at
