"""The tiers of one service: limits that are others for the keys of a tier. Judged here, and compiled."""

from collections.abc import Iterator, Mapping

from msgspec import structs

from guard.model.policy import Bucket, Calendar, Limit, Meter, Slots
from guard.policy.cost_schema import TierLimitPart
from guard.policy.diagnostic import Diagnostic, did_you_mean, quoted
from guard.policy.document import Document
from guard.policy.schema import LimitPart, PolicyFile

KINDS = ("rate", "quota", "concurrent")


def meter(part: LimitPart | TierLimitPart) -> Meter:
    """How a limit counts, of one that says so in one way."""
    if part.rate is not None:
        return Bucket(part.burst or part.rate.tokens, part.rate.tokens, part.rate.period_ms)
    if part.quota is not None:
        return Calendar(part.quota.tokens, part.quota.period_ms)
    return Slots(part.concurrent or 0)


def compile_tiers(policy: PolicyFile) -> dict[str, dict[str, Meter]]:
    """For each tier how the limits count that it changes, by name."""
    return {tier: {name: meter(part) for name, part in changed.items()} for tier, changed in policy.tiers.items()}


def of_tiers(limits: tuple[Limit, ...], tiers: Mapping[str, Mapping[str, Meter]]) -> dict[str, tuple[Limit, ...]]:
    """What `limits` are for keys of each tier that changes one of them."""
    return {
        tier: tuple(
            structs.replace(limit, meter=changed[limit.name], tier=tier) if limit.name in changed else limit
            for limit in limits
        )
        for tier, changed in tiers.items()
        if any(limit.name in changed for limit in limits)
    }


def tier_faults(document: Document, policy: PolicyFile) -> Iterator[Diagnostic]:
    """What a tier changes that is no limit, or none that could know a key's tier, or of another kind."""
    for tier, changed in policy.tiers.items():
        for name, part in changed.items():
            place = ("tiers", tier, name)
            limit = policy.limits.named.get(name)
            if limit is None:
                message = f"no limit {quoted(name)}"
                hint = did_you_mean(name, policy.limits.named)
                yield document.fault("P208", place, message, help_text=hint, key=True)
            elif not {"key", "account"} & set(limit.per):
                message = f"the limit {quoted(name)} counts neither keys nor accounts, and they have the tiers"
                yield document.fault("P210", place, message, key=True)
            elif not is_alike(part, limit):
                kind = kinds(limit)[0]
                message = f"the limit counts by {quoted(kind)}, and so it does here"
                yield document.fault("P110", place, message, help_text=f"write only {quoted(kind)}", key=True)


def is_alike(part: TierLimitPart, limit: LimitPart) -> bool:
    """Whether a tier's limit counts in the one way in which the limit does; or that is not known."""
    counts = kinds(limit)
    return len(counts) != 1 or (kinds(part) == counts and (part.burst is None or counts == ["rate"]))


def kinds(part: LimitPart | TierLimitPart) -> list[str]:
    """The ways in which it says that it counts: one, if it is in order."""
    return [kind for kind in KINDS if getattr(part, kind) is not None]
