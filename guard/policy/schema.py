"""The shape of a policy file: which fields there are, and what kind of value each takes. Not what they mean together.

Everything is strict: no field is ignored, no text becomes a number, nothing is null. The descriptions are what an
editor shows; `json_schema.py` makes the JSON Schema from them.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, WithJsonSchema, model_validator

from guard.policy.abuse_schema import AbusePart
from guard.policy.case_schema import Tests
from guard.policy.cost_schema import Cost, CostPart, TierLimit
from guard.policy.part import Part, many
from guard.policy.places import NAMED_SCHEMA
from guard.policy.store_part import StorePart
from guard.policy.upstream_part import UpstreamPart
from guard.policy.values import (
    Algorithm,
    Dimension,
    Duration,
    FieldName,
    Host,
    Name,
    Network,
    NetworksOrLists,
    Percent,
    Places,
    QuotaValue,
    RateValue,
    Requirement,
    RuleMode,
    Scope,
    Size,
    SlotCount,
    Text,
    Tokens,
    scalar_as,
)

ROUTES_MAX: Final = 500
RESOURCES_MAX: Final = 16
SCALAR_FUTURE_MS: Final = 1_000
KEYS_DENIED_PERCENT: Final = 1


class MatchPart(Part):
    """Which requests are for this service."""

    hosts: tuple[Host, ...] = many("Authorities without port. Left out: any authority that no other service names.")
    prefix: str = Field(default="/", description="Every route lies under it. It is not stripped.", examples=["/v1"])


class ClientAddressPart(Part):
    """Whose address counts, and which addresses may come at all."""

    trust: tuple[Network, ...] = many("Networks of proxies that may say for whom they speak.")
    header: FieldName | None = Field(default=None, description="Where they say it. Default X-Forwarded-For.")
    allow: NetworksOrLists = many("Only these addresses may come: networks, or `file:NAME.txt` beside the policy.")
    deny: NetworksOrLists = many("These may not, even if they are in `allow`: networks, or `file:NAME.txt`.")
    mode: RuleMode = Field(default="enforce", description="shadow: who would be refused is only recorded.")
    v6_prefix: int = Field(
        default=64, ge=32, le=128, description="IPv6 clients are counted by this many leading bits. Default 64."
    )


class WindowPart(Part):
    """How old a signature may be, and how far its clock may lead. Both inclusive."""

    past: Duration = Field(description="How old.")
    future: Duration = Field(default=SCALAR_FUTURE_MS, description="How far ahead of our clock. Default 1s.")


class ApiKeyPart(Part):
    """The scheme `api-key` in another field."""

    field: FieldName = Field(description="The field that carries it. Default Guard-Api-Key.", examples=["X-API-Key"])


ResourcesValue = Annotated[dict[Name, Places], WithJsonSchema(NAMED_SCHEMA)]
Window = Annotated[WindowPart, scalar_as("past")]


class AuthPart(Part):
    """Who may sign, how, and how fresh it must be. Holds for every route that does not say otherwise."""

    scheme: Name | None = Field(default=None, description="The signature scheme that is accepted. Default guard-v1.")
    schemes: tuple[Name, ...] = many("The signature schemes that are accepted, if more than one.")
    algorithms: tuple[Algorithm, ...] = many("Kinds of key that are accepted. Default: all that the schemes take.")
    window: Window | None = Field(
        default=None, description="How old a signature may be: `5s`, or past and future apart."
    )
    nonce: Literal["required"] = Field(
        default="required", description="A nonce, where the scheme has one, counts once."
    )
    api_key: ApiKeyPart | None = Field(default=None, description="The scheme api-key in another field.")
    mode: Literal["enforce", "shadow"] = Field(
        default="enforce", description="shadow: what would be refused is recorded, and goes on as from nobody."
    )
    allow_unauthenticated: bool = Field(
        default=False, description="Has to stand beside `mode: shadow`: requests that nobody signed reach the backend."
    )
    accept_replayable: bool = Field(
        default=False,
        description="Accept schemes whose messages can be sent again for ever where more than reading is done.",
    )


class LimitPart(Part):
    """For each value of `per` one of three: a token bucket (`rate`), a `quota` by the calendar, or `concurrent`."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["rate"]},
                {"required": ["quota"], "not": {"required": ["burst"]}},
                {"required": ["concurrent"], "not": {"anyOf": [{"required": ["burst"]}, {"required": ["cost"]}]}},
            ]
        }
    )

    per: tuple[Dimension, ...] = Field(
        strict=False,
        min_length=1,
        max_length=6,
        description="Whom it counts: ip, key, account, route, group, service; or a mix.",
    )
    rate: RateValue | None = Field(default=None, description="Tokens that come back, evenly: `20/s`, `300/10s`.")
    burst: Tokens | None = Field(default=None, description="Tokens that the bucket holds. Default: one period's worth.")
    quota: QuotaValue | None = Field(
        default=None, description="Tokens in each UTC day or hour, back all at once with the next: `200000/day`."
    )
    concurrent: SlotCount | None = Field(default=None, description="Requests at once, each until it is answered.")
    cost: Tokens | None = Field(default=None, description="What a request costs here, whatever its route's cost.")
    count: Literal["cost", "requests", "bytes"] = Field(
        default="cost", description="What it counts: costs, requests, or the bytes of their bodies. Default cost."
    )
    reserve: Tokens | None = Field(
        default=None, description="The last so many are only for routes with `priority: critical`."
    )
    routes: tuple[str, ...] = many("Only these: groups, or routes as they are written under `routes`.")
    except_: tuple[str, ...] = Field(
        default=(), alias="except", strict=False, min_length=1, max_length=200, description="All but these."
    )
    mode: RuleMode = Field(default="enforce", description="shadow: it counts and reports, and refuses nothing.")
    expose: bool | None = Field(
        default=None, description="Whether RateLimit fields tell it. Default: if it counts keys or accounts."
    )
    why: Text | None = Field(default=None, description="Why this limit is here, for whoever reads it next.")


class LimitsPart(Part):
    """The limits by name, and a mode for all of them. In YAML both stand side by side."""

    mode: RuleMode = Field(default="enforce", description="That of all limits; each may lower it.")
    named: dict[Name, LimitPart] = Field(default={}, max_length=100)

    @model_validator(mode="before")
    @classmethod
    def _apart(cls, written: Any) -> Any:
        if not isinstance(written, Mapping):
            return written
        mode = {name: value for name, value in written.items() if name == "mode"}
        return {**mode, "named": {name: value for name, value in written.items() if name != "mode"}}


class RoutePart(Part):
    """What a request to this route needs, and what it may use."""

    mode: RuleMode = Field(
        default="enforce",
        description="shadow or off for all limits of this route and `allow_ips`. Whose key may use it is `auth`'s.",
    )
    scope: Scope | None = Field(default=None, description="The scope that the key must have. Left out: any valid key.")
    group: Name | None = Field(default=None, description="A name for several routes, which limits use.")
    reads: bool | None = Field(
        default=None, description="Whether repeating it changes nothing. Default: GET and HEAD do."
    )
    priority: Literal["normal", "critical"] = Field(
        default="normal", description="critical is shed last in an overload."
    )
    cost: Cost = Field(
        default=CostPart(hold=1), description="Tokens that a request takes from each limit, or how they are told."
    )
    auth: Literal["none"] | None = Field(default=None, description="`none` opens the route to anyone.")
    schemes: tuple[Name, ...] = many("Signature schemes for this route, in place of the service's.")
    algorithms: tuple[Algorithm, ...] = many("Kinds of key for this route; fewer than the service's, never more.")
    window: Window | None = Field(
        default=None, description="A window for this route; narrower than the service's, never wider."
    )
    require: tuple[Requirement, ...] = many(
        "What it needs beside a key: `key_ip_allowlist`, a key that is bound to networks; `mtls`, a client "
        "certificate; `idempotency_key`, one Idempotency-Key field."
    )
    allow_ips: NetworksOrLists = many("Only from these networks, or those of `file:NAME.txt`, whoever asks.")
    max_body: Size | None = Field(default=None, description="The largest body, in place of the service's.")
    timeout: Duration | None = Field(
        default=None, description="For the whole exchange, in place of the service's total."
    )
    accept_replayable: bool = Field(default=False, description="As in `auth`, for this route.")
    resources: ResourcesValue = Field(
        default={}, max_length=RESOURCES_MAX, description="Where its requests say what they are about, or `any`."
    )
    why: Text | None = Field(default=None, description="Why this route is as it is.")


class FieldsPart(Part):
    """What happens to request fields on their way to the backend."""

    drop: tuple[FieldName, ...] = many("Fields that are never forwarded, beside those that guard drops anyway.")


class DualControlPart(Part):
    """What an administrator cannot do alone."""

    scopes: tuple[Scope, ...] = many("A key with one of these scopes is active once a second person confirms it.")
    changes: Literal["weakens"] | None = Field(
        default=None, description="`weakens`: a live change of policies that weakens one waits for a second person."
    )


class PromotionPart(Part):
    """When a rule may go from shadow to enforce."""

    keys_denied: Percent = Field(
        default=KEYS_DENIED_PERCENT, description="The share of active keys that it may deny something. Default 1%."
    )


class PolicyFile(Part):
    """One service: which requests are its own, who may send them, how many, and where they go."""

    version: Literal[1] = Field(description="The version of the language.")
    service: Name = Field(description="The service's name: lower-case letters, digits and hyphens.")
    mode: RuleMode = Field(
        default="enforce",
        description="enforce, shadow (record and let pass) or off, for every rule but `auth`; a rule may lower it.",
    )
    why: Text | None = Field(default=None, description="What this service is.")
    owner: Text | None = Field(default=None, description="Whom to ask.")
    match: MatchPart = Field(default=MatchPart(), description="Which requests are for this service. Default: all.")
    upstream: Annotated[UpstreamPart, scalar_as("url")] = Field(description="The backend: its URL, or more about it.")
    client_ip: ClientAddressPart = Field(
        default=ClientAddressPart(), description="Whose address counts, and which may come."
    )
    auth: AuthPart = Field(default=AuthPart(), description="Who may sign, how, and how fresh it must be.")
    dual_control: DualControlPart = Field(
        default=DualControlPart(), description="What an administrator cannot do alone. Counts for keys of all services."
    )
    promotion: PromotionPart = Field(
        default=PromotionPart(), description="When a rule may go from shadow to enforce (`guard promote`)."
    )
    limits: LimitsPart = Field(
        default=LimitsPart(), description="Limits by name. All that apply must have room. `mode` is that of all."
    )
    tiers: dict[Name, dict[Name, TierLimit]] = Field(
        default={}, max_length=50, description="Limits that are others for keys of a tier: `guard keys create --tier`."
    )
    resources: ResourcesValue = Field(
        default={}, max_length=RESOURCES_MAX, description="Where requests say what they are about, by name: `symbol`."
    )
    routes: dict[str, RoutePart] = Field(
        min_length=1, max_length=ROUTES_MAX, description="METHOD and path. What matches none of them is 404."
    )
    abuse: AbusePart | None = Field(
        default=None, description="What is watched for after each answer, and what follows."
    )
    store: StorePart = Field(default=StorePart(), description="What follows while the shared store does not answer.")
    fields: FieldsPart = Field(default=FieldsPart(), description="What happens to request fields.")
    tests: Tests = ()
