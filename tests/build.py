"""Builders for tests: the smallest value of each kind, with all that a test does not speak of left at a default."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from guard.model.abuse import AbusePolicy, Action, Rung, Signal, SubjectKind
from guard.model.bans import Ban, BanId
from guard.model.facts import Facts, Field, Transport
from guard.model.halts import Halt, HaltId, HaltKind
from guard.model.keys import KeyAlgorithm, KeyRecord, KeyState, Secret
from guard.model.names import AccountId, Address, KeyId, RequestId, UnixMs
from guard.model.overrides import Override, OverrideId
from guard.model.policy import (
    Bucket,
    ClientAddressPolicy,
    Limit,
    PolicySet,
    Route,
    RouteAuth,
    RouteNode,
    Service,
    Slots,
    Window,
)
from guard.model.rules import Mode, Rule
from guard.model.upstream_policy import UpstreamPolicy
from guard.signing.profile import compile_profile
from guard.signing.scheme import Scheme
from guard.signing.signer import sign
from guard.wire.field_names import field_names

NOW = UnixMs(1_900_000_000_000)
KEY_ID = KeyId("gk_test")
SECRET = b"a-secret-of-the-tests-0123456789abcdef"
NONCE = "nonce-0123456789-abcdefg"
_PROFILES = Path(__file__).parent.parent / "guard" / "signing" / "profiles"


@cache
def scheme(name: str = "guard-v1") -> Scheme:
    """A shipped signature scheme."""
    return compile_profile(name, profile(name), {})


def profile(name: str) -> dict[str, Any]:
    """A shipped scheme's profile as data."""
    loaded: dict[str, Any] = yaml.safe_load((_PROFILES / f"{name}.yaml").read_text())
    loaded.pop("scheme", None)
    return loaded


def rule(name: str = "auth", mode: Mode = Mode.ENFORCE) -> Rule:
    return Rule(name, "test.yaml", 1, mode)


def limit(
    name: str = "key", *, capacity: int = 10, per: tuple[str, ...] = ("key",), mode: Mode = Mode.ENFORCE
) -> Limit:
    return Limit(name=name, rule=rule(f"limits.{name}", mode), meter=Bucket(capacity, 1, 1000), per=per)


def slots(name: str = "pending", *, count: int = 1, per: tuple[str, ...] = ("key",)) -> Limit:
    return Limit(name=name, rule=rule(f"limits.{name}"), meter=Slots(count), per=per, cost=1)


def auth(*names: str, algorithms: frozenset[KeyAlgorithm] | None = None, past_ms: int = 5000) -> RouteAuth:
    schemes = names or ("guard-v1",)
    accepted = frozenset().union(*(scheme(name).algorithms for name in schemes)) if algorithms is None else algorithms
    return RouteAuth(
        rule=rule("auth"),
        schemes=schemes,
        algorithms=accepted,
        windows=tuple(Window(past_ms, 1000) for _ in schemes),
        remember_ms=tuple(past_ms for _ in schemes),
    )


def route(method: str = "POST", template: str = "/v1/orders", **changes: Any) -> Route:
    fields: dict[str, Any] = {
        "name": f"{method} {template}",
        "method": method,
        "template": template,
        "rule": rule(f"routes.{method} {template}"),
        "auth": auth(),
        "scope": "trade",
        "reads": method == "GET",
        "max_body_bytes": 1024,
        "total_ms": 10_000,
    }
    return Route(**{**fields, **changes})


def node(*routes: Route) -> RouteNode:
    """A tree of routes whose templates are literal paths."""
    tree: dict[bytes, Any] = {}
    for each in routes:
        branch = tree
        for segment in each.template.encode().split(b"/")[1:]:
            branch = branch.setdefault(segment, {})
        branch.setdefault(None, {})[each.method] = each  # type: ignore[call-overload]
    return _node(tree)


def service(*routes: Route, **changes: Any) -> Service:
    fields: dict[str, Any] = {
        "name": "exchange",
        "rule": rule("service"),
        "mode": Mode.ENFORCE,
        "digest": "0000000",
        "hosts": frozenset(),
        "prefix": b"/",
        "upstream": UpstreamPolicy(
            urls=("http://127.0.0.1:1",),
            connect_ms=1000,
            response_ms=1000,
            idle_ms=4000,
            connections_max=8,
            waiting_max=8,
        ),
        "client_ip": ClientAddressPolicy(rule=rule("client_ip")),
        "routes": node(*(routes or (route(),))),
        "credentials": scheme().credential_fields,
    }
    return Service(**{**fields, **changes})


def policies(*services: Service) -> PolicySet:
    return PolicySet(services=services or (service(),), digest="0000000", future_ms_max=1000)


def record(**changes: Any) -> KeyRecord:
    fields: dict[str, Any] = {
        "id": KEY_ID,
        "account": AccountId("acme"),
        "algorithm": KeyAlgorithm.HMAC_SHA256,
        "material": Secret(SECRET),
        "state": KeyState.ACTIVE,
        "scopes": frozenset({"read", "trade"}),
        "lineage": changes.get("id", KEY_ID),
        "created_at": UnixMs(NOW - 1_000_000),
    }
    return KeyRecord(**{**fields, **changes})


def halt(kind: HaltKind = HaltKind.ALL, name: str = "", **changes: Any) -> Halt:
    fields: dict[str, Any] = {"id": HaltId("halt_test"), "why": "a secret reason", "actor": "alice", "since": NOW}
    return Halt(kind=kind, name=name, **{**fields, **changes})


def override(name: str = "limits.key", mode: Mode = Mode.SHADOW, **changes: Any) -> Override:
    fields: dict[str, Any] = {
        "id": OverrideId("mode_test"),
        "service": "",
        "since": NOW,
        "until": UnixMs(NOW + 60_000),
        "why": "INC-42",
        "actor": "alice",
    }
    return Override(rule=name, mode=mode, **{**fields, **changes})


def facts(verb: str = "POST", path: bytes = b"/v1/orders", **changes: Any) -> Facts:
    fields: dict[str, Any] = {
        "transport": Transport.HTTP,
        "verb": verb,
        "authority": b"gateway.test",
        "path": path,
        "peer": Address("192.0.2.1"),
        "received_at": NOW,
        "request_id": RequestId("req_test"),
    }
    fields |= changes
    return Facts(names=field_names(fields.get("fields", ())), **fields)


def signed(
    verb: str = "POST",
    path: bytes = b"/v1/orders",
    *,
    body: bytes = b"",
    at: UnixMs = NOW,
    nonce: str = NONCE,
    key_id: KeyId = KEY_ID,
    secret: bytes = SECRET,
    **changes: Any,
) -> Facts:
    """A guard-v1 message with its body still on the wire (None) if it has one."""
    unsigned = facts(verb, path, **changes)
    added = sign(
        key_id=key_id,
        secret_or_private=secret,
        algorithm=KeyAlgorithm.HMAC_SHA256,
        method=verb,
        authority=unsigned.authority,
        target=unsigned.target,
        body=body,
        now=at,
        nonce=nonce,
    )
    own: tuple[Field, ...] = tuple((name.lower(), value) for name, value in added)
    announced: Mapping[str, Any] = {"body": None, "body_bytes_announced": len(body)} if body else {}
    return facts(verb, path, **{**changes, "fields": (*unsigned.fields, *own), **announced})


def _node(tree: dict[Any, Any]) -> RouteNode:
    literals = {segment: _node(branch) for segment, branch in tree.items() if segment is not None}
    return RouteNode(
        literals=literals, folded=frozenset(segment.lower() for segment in literals), here=tree.get(None, {})
    )


def signal(name: str = "replay", *, mode: Mode = Mode.ENFORCE, **changes: Any) -> Signal:
    fields: dict[str, Any] = {"per": SubjectKind.IP, "points": 20}
    return Signal(name=name, rule=rule(f"abuse.{name}", mode), **{**fields, **changes})


LADDER = (
    Rung(at=20, action=Action.SLOW, delay_ms=250, terms_ms=(60_000,)),
    Rung(at=40, action=Action.THROTTLE, percent=25, terms_ms=(300_000,)),
    Rung(at=60, action=Action.QUARANTINE, terms_ms=(900_000,)),
    Rung(at=80, action=Action.BAN, terms_ms=(120_000, 600_000, 3_600_000), forgive_ms=604_800_000),
)


def abuse(by_code: Mapping[str, tuple[Signal, ...]] | None = None, **changes: Any) -> AbusePolicy:
    """A policy that watches for these; answers of the backend by `outcome.Nxx` among them."""
    watched = dict(by_code or {})
    fields: dict[str, Any] = {
        "rule": rule("abuse"),
        "half_life_ms": 600_000,
        "by_code": watched,
        "by_status": ((), *(watched.get(f"outcome.{digit}xx", ()) for digit in range(1, 6))),
        "ladder": LADDER,
    }
    return AbusePolicy(**{**fields, **changes})


def ban(kind: SubjectKind = SubjectKind.IP, name: str = "203.0.113.7", **changes: Any) -> Ban:
    """By the ladder of the service `exchange`, for two minutes from NOW on."""
    fields: dict[str, Any] = {
        "id": BanId("ban_test"),
        "service": "exchange",
        "action": Action.BAN,
        "rule": rule("abuse.replay"),
        "since": NOW,
        "until": UnixMs(NOW + 120_000),
        "strikes": 1,
    }
    return Ban(kind=kind, name=name, **{**fields, **changes})
