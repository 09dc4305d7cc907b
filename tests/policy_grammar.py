"""Small policies that are in order, drawn: one to three services, each rule on a line of its own, so that a failure
shows what one would write.

A service `a` has five routes: `GET /a/time` (open to anyone), `GET /a/book`, `POST /a/orders` and `POST /a/batch`
(group `orders`), and the critical `DELETE /a/orders/{id}` (group `cancels`). All services have limits of the same
names.
"""

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

BODY_MAX = 64
DENIED = "198.51.100.0/24"
"""The network that `client_ip` denies, where it denies any."""

TIER = "gold"

_MODES = st.sampled_from(["enforce", "enforce", "enforce", "enforce", "shadow", "off"])
_BY_QUERY = {"query": "limit", "default": 1, "steps": {"3": 2, "6": 4}}
_BY_MEMBER = {"field": "/n", "default": 1, "steps": {"3": 2, "6": 3}}
_TOLD = {"response_header": "Guard-Cost", "hold": 2, "max": 4}
_REFUSED_ALONE = {"hold": 2, "on_success": 0}
_BY_ITEMS = {"items": "/orders", "each": 2, "base": 1, "per": 2, "max": 4}
_COSTS: Mapping[str, tuple[Any, ...]] = {
    "time": (None, 2, _BY_QUERY),
    "book": (None, 3, _BY_QUERY),
    "orders": (None, 2, _BY_MEMBER, _TOLD, _REFUSED_ALONE),
    "batch": (None, _BY_ITEMS),
    "cancel": (None, 2),
}
_DEAREST = 5
"""No request costs more than that."""

_ANYBODYS = ("auth.*", "auth.replayed", "auth.bad_signature", "limit.*", "request.*", "authz.*", "outcome.2xx")
_HOLDERS = ("limit.*", "authz.*", "outcome.*", "outcome.2xx")
_RUNGS = (
    {"at": 10, "action": "slow", "delay": "300ms", "for": "5s"},
    {"at": 25, "action": "throttle", "to": "50%", "for": "5s"},
    {"at": 40, "action": "quarantine", "for": "10s"},
    {"at": 60, "action": "ban", "for": ["5s", "1m"], "forgive": "1h"},
)


def routes(name: str) -> dict[str, str]:
    """The keys of a service's routes, each by its kind."""
    return {
        "time": f"GET /{name}/time",
        "book": f"GET /{name}/book",
        "orders": f"POST /{name}/orders",
        "batch": f"POST /{name}/batch",
        "cancel": f"DELETE /{name}/orders/{{id}}",
    }


@st.composite
def policy_files(draw: st.DrawFn) -> dict[str, str]:
    """The texts of one to three services, by file name."""
    limits = draw(st.integers(1, 4))
    return {f"{name}.yaml": draw(_service(name, limits)) for name in "abc"[: draw(st.integers(1, 3))]}


@st.composite
def _service(draw: st.DrawFn, name: str, limits: int) -> str:
    keys = routes(name)
    parts = {f"x{number}": draw(_limit(keys)) for number in range(limits)}
    lines = [
        "version: 1",
        f"service: {name}",
        "mode: enforce",
        f"match: {{prefix: /{name}}}",
        f"upstream: {{url: http://127.0.0.1:8081, max_body: {BODY_MAX}B}}",
        "auth: {scheme: guard-v1, window: 5s}",
    ]
    if draw(st.booleans()):
        lines.append(f"client_ip: {_flow({'deny': [DENIED], 'mode': draw(_MODES)})}")
    lines += _section("limits", parts)
    tiers = {limit: draw(_of_tier(part)) for limit, part in parts.items() if {"key", "account"} & set(part["per"])}
    richer = draw(st.booleans())
    if tiers and richer:
        lines += _section("tiers", {TIER: tiers})
    if draw(st.booleans()):
        lines += draw(_abuse(_HOLDERS if tiers else _HOLDERS[1:]))
    return "\n".join([*lines, *_section("routes", draw(_routes(keys)))]) + "\n"


@st.composite
def _routes(draw: st.DrawFn, keys: Mapping[str, str]) -> dict[str, Any]:
    parts: dict[str, dict[str, Any]] = {
        "time": {"auth": "none"},
        "book": {"scope": "read"},
        "orders": {"scope": "trade", "group": "orders"},
        "batch": {"scope": "trade", "group": "orders"},
        "cancel": {"scope": "trade", "group": "cancels", "priority": "critical"},
    }
    for kind, part in parts.items():
        cost = draw(st.sampled_from(_COSTS[kind]))
        if cost is not None:
            part["cost"] = cost
        mode = draw(_MODES)
        if mode != "enforce":
            part["mode"] = mode
    return {keys[kind]: part for kind, part in parts.items()}


@st.composite
def _limit(draw: st.DrawFn, keys: Mapping[str, str]) -> dict[str, Any]:
    dimensions = st.sampled_from(["ip", "key", "account", "route", "group", "service"])
    part: dict[str, Any] = {"per": draw(st.lists(dimensions, min_size=1, max_size=2, unique=True))}
    names = [*keys.values(), "orders", "cancels"]
    which = draw(st.sampled_from(["all", "routes", "except"]))
    if which != "all":
        part[which] = draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))
    kind = draw(st.sampled_from(["rate", "rate", "rate", "quota", "concurrent"]))
    due = 1 if kind == "concurrent" else draw(_counting(part))
    reserve = draw(st.sampled_from([0, 0, 1, 3])) if applies(part, keys["cancel"], "cancels") else 0
    if reserve:
        part["reserve"] = reserve
    part |= draw(_room(kind, due + reserve))
    mode = draw(_MODES)
    return part if mode == "enforce" else {**part, "mode": mode}


@st.composite
def _counting(draw: st.DrawFn, part: dict[str, Any]) -> int:
    """Say what a limit counts; the most that one request can take of it."""
    match draw(st.sampled_from(["cost", "cost", "cost", "requests", "bytes", "fixed"])):
        case "requests":
            part["count"] = "requests"
            return 1
        case "bytes":
            part["count"] = "bytes"
            return BODY_MAX
        case "fixed":
            part["cost"] = draw(st.integers(1, 3))
            return int(part["cost"])
        case _:
            return _DEAREST


@st.composite
def _room(draw: st.DrawFn, kind: str, least: int) -> dict[str, Any]:
    """How much there is of it: as much as one request can take at least."""
    holds = least + draw(st.integers(0, 6))
    match kind:
        case "quota":
            return {"quota": f"{holds}/hour"}
        case "concurrent":
            return {"concurrent": holds}
        case _:
            refill, period = draw(st.integers(1, 7)), draw(st.sampled_from(["700ms", "1s", "10s", "1m"]))
            return {"rate": f"{refill}/{period}", "burst": holds}


@st.composite
def _of_tier(draw: st.DrawFn, part: Mapping[str, Any]) -> dict[str, Any]:
    kind = next(each for each in ("rate", "quota", "concurrent") if each in part)
    holds = part["burst"] if kind == "rate" else part["concurrent"] if kind == "concurrent" else part["quota"]
    return draw(_room(kind, int(str(holds).partition("/")[0])))


@st.composite
def _abuse(draw: st.DrawFn, holders: tuple[str, ...]) -> list[str]:
    signals = {f"z{number}": draw(_signal(holders)) for number in range(draw(st.integers(1, 3)))}
    rungs = draw(st.lists(st.sampled_from(range(len(_RUNGS))), min_size=1, unique=True))
    parts = {
        "mode": draw(_MODES),
        "score": {"half_life": draw(st.sampled_from(["1s", "10m"]))},
        "ladder": [_RUNGS[rung] for rung in sorted(rungs)],
        "signals": signals,
    }
    return _section("abuse", parts)


@st.composite
def _signal(draw: st.DrawFn, holders: tuple[str, ...]) -> dict[str, Any]:
    per = draw(st.sampled_from(["ip", "key", "account"]))
    part: dict[str, Any] = {
        "on": draw(st.sampled_from(_ANYBODYS if per == "ip" else holders)),
        "per": per,
        "points": draw(st.sampled_from([5, 15, 30, 60])),
    }
    if draw(st.booleans()):
        part |= {"over": "10s", "at_least": draw(st.integers(2, 3))}
        distinct = draw(st.sampled_from([None, None, "key", "route", "network"]))
        part |= {} if distinct is None else {"distinct": distinct}
    mode = draw(_MODES)
    return part if mode == "enforce" else {**part, "mode": mode}


def applies(part: Mapping[str, Any], key: str, group: str | None) -> bool:
    """Whether a limit counts requests to this route, as docs/policies.md says."""
    names = {key, group}
    return bool(names & set(part.get("routes", names))) and not names & set(part.get("except", ()))


def _section(name: str, parts: Mapping[str, Any]) -> list[str]:
    return [f"{name}:", *(f"  {key}: {_flow(part)}" for key, part in parts.items())]


def _flow(part: object) -> str:
    """YAML on one line."""
    return json.dumps(part)
