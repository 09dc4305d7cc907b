"""The one table of what each field of a compiled policy means for safety: which of two values lets more through.

Every field stands here (a test enumerates them). What nobody has classified counts as WEAKENS when it changes: a
reviewer looks at it once too often, and never once too seldom.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final, TypeAlias

import msgspec

from guard.model.abuse import AbusePolicy, Signal
from guard.model.policy import (
    Bucket,
    Calendar,
    ClientAddressPolicy,
    Limit,
    Loss,
    OnLoss,
    PolicySet,
    Route,
    RouteAuth,
    Service,
    Slots,
    Window,
)
from guard.model.pricing import Settlement
from guard.model.requirements import RouteNetworks
from guard.model.rules import Mode, Rule
from guard.model.upstream_policy import BreakerPolicy, HealthPolicy, UpstreamPolicy, UpstreamTls


class Kind(StrEnum):
    """What a change does: it lets something through that was denied, or could hide who sends; the other way round; it
    calls the same by another name; or it does nothing of that.
    """

    WEAKENS = "WEAKENS"
    TIGHTENS = "TIGHTENS"
    RENAMES = "RENAMES"
    NEUTRAL = "NEUTRAL"


Direction: TypeAlias = Callable[[Any, Any], Kind]
"""What a change from one value to another, unequal one does."""


def either(_: object, __: object) -> Kind:
    """Nobody can tell from the values which is the safer one."""
    return Kind.WEAKENS


def watched(old: Mapping[str, tuple[Signal, ...]], new: Mapping[str, tuple[Signal, ...]]) -> Kind:
    """What is watched for: only where it is written may change without a word."""
    return Kind.NEUTRAL if _placeless(old) == _placeless(new) else Kind.WEAKENS


def _placeless(signals: Mapping[str, tuple[Signal, ...]]) -> dict[str, list[Signal]]:
    return {
        code: [msgspec.structs.replace(each, rule=Rule(each.rule.name, "", 0, each.rule.mode)) for each in found]
        for code, found in signals.items()
    }


def neutral(_: object, __: object) -> Kind:
    """It changes how fast or how it is told, and not who may do what."""
    return Kind.NEUTRAL


def more(old: Any, new: Any) -> Kind:
    """The greater number lets more through."""
    return Kind.WEAKENS if None in (old, new) or new > old else Kind.TIGHTENS


def fewer(old: Any, new: Any) -> Kind:
    """The smaller number lets more through."""
    return Kind.WEAKENS if None in (old, new) or new < old else Kind.TIGHTENS


def grows(old: Any, new: Any) -> Kind:
    """Each of them lets something through."""
    if set(old) == set(new):
        return Kind.NEUTRAL
    return Kind.TIGHTENS if set(new) < set(old) else Kind.WEAKENS


def shrinks(old: Any, new: Any) -> Kind:
    """Each of them keeps something back."""
    return grows(new, old)


def grows_or_any(old: Any, new: Any) -> Kind:
    """Each of them lets something through, and none of them everything."""
    if not old or not new:
        return Kind.TIGHTENS if not old else Kind.WEAKENS
    return grows(old, new)


def once_on(old: object, _: object) -> Kind:
    """True keeps something back."""
    return Kind.WEAKENS if old else Kind.TIGHTENS


def once_off(old: object, new: object) -> Kind:
    """True lets something through."""
    return once_on(new, old)


def needed(old: object, new: object) -> Kind:
    """Something to have is more than nothing; of two things to have nobody can tell."""
    return Kind.TIGHTENS if old is None and new is not None else Kind.WEAKENS


def told(old: Any, new: Any) -> Kind:
    """A resource that a route tells is where keys that are kept to some of it may go; one that it is not about, too."""
    same = all(new.get(name) == places or name not in new for name, places in old.items())
    return Kind.TIGHTENS if same and set(new) < set(old) else Kind.WEAKENS


def laxer(order: tuple[object, ...]) -> Direction:
    """The later of these lets more through."""
    return lambda old, new: Kind.WEAKENS if order.index(new) > order.index(old) else Kind.TIGHTENS


class Part(StrEnum):
    """How a field is compared that is no plain value."""

    STRUCT = "struct"
    NAMED = "named"
    ROUTES = "routes"
    TIERS = "tiers"


class Skipped(StrEnum):
    """Why a field is not compared."""

    NAME = "it is what the two are found by"
    PLACE = "where it is written is not what it says"
    DERIVED = "it follows from other fields"
    RATE = "tokens and period are compared together, as a rate"
    WINDOW = "each is compared with that of the same scheme"


_LOSS: Final = laxer((OnLoss.DENY, OnLoss.LOCAL, OnLoss.ALLOW))

Say: TypeAlias = Direction | Part | Skipped

TABLE: Final[Mapping[type, Mapping[str, Say]]] = {
    PolicySet: {
        "services": Part.NAMED,
        "digest": Skipped.DERIVED,
        "future_ms_max": Skipped.DERIVED,
        "dual_control": shrinks,
        "changes_by_two": once_on,
        "store_ms_max": neutral,
    },
    Service: {
        "name": Skipped.NAME,
        "rule": Part.STRUCT,
        "mode": laxer((Mode.ENFORCE, Mode.SHADOW, Mode.OFF)),
        "digest": Skipped.DERIVED,
        "hosts": grows_or_any,
        "prefix": either,
        "upstream": Part.STRUCT,
        "client_ip": Part.STRUCT,
        "routes": Part.ROUTES,
        "credentials": Skipped.DERIVED,
        "secrets": shrinks,
        "drop_fields": shrinks,
        "local_replay": Skipped.DERIVED,
        "abuse": Part.STRUCT,
        "promotion_percent": neutral,
    },
    AbusePolicy: {
        "rule": Part.STRUCT,
        "half_life_ms": either,
        "by_code": watched,
        "by_status": Skipped.DERIVED,
        "ladder": either,
        "exempt_ips": grows,
        "exempt_keys": grows,
        "max_banned_percent": either,
        "tries": Skipped.DERIVED,
        "signals": Skipped.DERIVED,
        "fields": Skipped.DERIVED,
        "heeds_refusals": Skipped.DERIVED,
    },
    Rule: {
        "name": Skipped.NAME,
        "file": Skipped.PLACE,
        "line": Skipped.PLACE,
        "mode": laxer((Mode.ENFORCE, Mode.SHADOW, Mode.OFF)),
    },
    UpstreamPolicy: {
        "urls": either,
        "connect_ms": neutral,
        "response_ms": neutral,
        "idle_ms": neutral,
        "connections_max": neutral,
        "waiting_max": neutral,
        "assertion": once_on,
        "tls": Part.STRUCT,
        "health": Part.STRUCT,
        "breaker": Part.STRUCT,
    },
    UpstreamTls: {"ca": either, "certificate": either, "key": either, "server_name": either},
    HealthPolicy: dict.fromkeys(("path", "every_ms", "timeout_ms", "healthy", "unhealthy"), neutral),
    BreakerPolicy: {
        "failures_percent": more,
        "exchanges_min": more,
        "window_ms": neutral,
        "open_ms": fewer,
    },
    ClientAddressPolicy: {
        "rule": Part.STRUCT,
        "trust": grows,
        "field": either,
        "allow": grows_or_any,
        "deny": shrinks,
        "v6_prefix": more,
    },
    Route: {
        "name": Skipped.NAME,
        "method": Skipped.NAME,
        "template": Skipped.NAME,
        "rule": Part.STRUCT,
        "auth": Part.STRUCT,
        "scope": needed,
        "require": shrinks,
        "networks": Part.STRUCT,
        "group": neutral,
        "reads": once_off,
        "critical": once_off,
        "cost": fewer,
        "pricing": either,
        "settlement": Part.STRUCT,
        "limits_address": Part.NAMED,
        "limits_principal": Part.NAMED,
        "limits_by_tier": Part.TIERS,
        "resources": told,
        "max_body_bytes": more,
        "total_ms": neutral,
        "loss": Part.STRUCT,
    },
    RouteNetworks: {
        "rule": Part.STRUCT,
        "allow": grows,
    },
    RouteAuth: {
        "rule": Part.STRUCT,
        "schemes": grows,
        "algorithms": grows,
        "windows": Skipped.WINDOW,
        "remember_ms": Skipped.DERIVED,
    },
    Window: {
        "past_ms": more,
        "future_ms": more,
        "narrow_until": Skipped.DERIVED,
        "narrow_past_ms": Skipped.DERIVED,
    },
    Limit: {
        "name": Skipped.NAME,
        "rule": Part.STRUCT,
        "meter": Part.STRUCT,
        "per": either,
        "cost": fewer,
        "of_bytes": either,
        "reserve": fewer,
        "tier": Skipped.NAME,
        "exposed": neutral,
    },
    Settlement: {"field": either, "most": fewer, "on_success": fewer},
    Bucket: {"capacity": more, "refill_tokens": Skipped.RATE, "period_ms": Skipped.RATE},
    Calendar: {"tokens": more, "period_ms": fewer},
    Slots: {"count": more},
    Loss: {"replay": _LOSS, "limits": _LOSS, "limits_percent": more},
}
