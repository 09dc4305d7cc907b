"""The JSON Schemas of a policy and of `_shared.yaml`, for editors: completion, hover texts, red lines while typing.

It says what `schema.py` says, in draft-07, which every editor reads. What names and numbers mean together is beyond it:
`guard check` has the last word.
"""

from typing import Any, Final

from pydantic import BaseModel

from guard.policy.editor_words import add_editor_words, describe_choices
from guard.policy.names import ID_PATTERN, SIGNAL_PATTERN
from guard.policy.schema import PolicyFile
from guard.policy.shared_schema import SharedFile
from guard.policy.templates import ROUTE_KEY_PATTERN
from guard.policy.units import DURATION_PATTERN, STEP_PATTERN
from guard.policy.values import TOKENS_MAX

Schema = dict[str, Any]

_ROUTE_EXAMPLES: Final[list[Schema]] = [
    {"GET /v1/time": {"auth": "none"}},
    {"POST /v1/orders": {"scope": "trade", "group": "orders"}},
    {"DELETE /v1/orders/{id}": {"scope": "trade", "group": "cancels", "priority": "critical"}},
]
_TEST_EXAMPLES: Final[list[Schema]] = [
    {"send": "POST /v1/orders", "as": {"scopes": ["trade"]}, "expect": "allow"},
    {"send": "POST /v1/orders", "as": {"scopes": ["read"]}, "expect": "authz.scope"},
    {
        "name": "a captured order cannot be replayed",
        "as": {"scopes": ["trade"]},
        "steps": [
            {"send": "POST /v1/orders", "save": "order", "expect": "allow"},
            {"replay": "order", "expect": "auth.replayed"},
        ],
    },
]
_LIMIT_EXAMPLES: Final[list[Schema]] = [
    {"key": {"per": ["key"], "rate": "20/s", "burst": 40}},
    {"orders": {"per": ["account"], "rate": "300/10s", "routes": ["orders"]}},
    {"daily": {"per": ["account"], "quota": "200000/day"}},
    {"pending": {"per": ["key"], "concurrent": 10, "except": ["cancels"]}},
]
_SIGNAL_EXAMPLES: Final[list[Schema]] = [
    {"replay": {"on": "auth.replayed", "per": "ip", "points": 20}},
    {"ignores-429": {"on": "limit.*", "per": "key", "over": "10s", "at_least": 50, "points": 15}},
]

_TIER_EXAMPLES: Final[list[Schema]] = [
    {"market-maker": {"key": "200/s", "orders": {"rate": "3000/10s", "burst": 6000}}}
]
_OR_ONE: Final = {
    "ClientAddressPart": ("allow", "deny"),
    "RoutePart": ("allow_ips",),
    "RungPart": ("for",),
    "SignalPart": ("of",),
    "CounterpartPart": ("of",),
}
_LADDER_USED: Final[Schema] = {
    "type": "object",
    "properties": {"use": {"type": "string", "pattern": ID_PATTERN, "description": "A ladder of `_shared.yaml`."}},
    "required": ["use"],
    "additionalProperties": False,
}
_OF_A_LIST: Final = ("type", "items", "minItems", "maxItems")
_STEP_EXAMPLES: Final[list[Schema]] = [{"100": 5, "500": 25, "1000": 50}]


def policy_schema() -> Schema:
    """The schema as a value; equal on every call."""
    schema = _generated(PolicyFile, "guard policy")
    properties = schema["properties"]
    _named(properties["routes"], ROUTE_KEY_PATTERN, _ROUTE_EXAMPLES)
    properties["limits"] = _limits(schema["definitions"].pop("LimitsPart"), properties["limits"]["description"])
    properties["tests"]["examples"] = [_TEST_EXAMPLES]
    _or_scalar(properties["upstream"], schema["definitions"]["UpstreamPart"]["properties"]["url"]["anyOf"][0])
    definitions = schema["definitions"]
    tokens = {"type": "integer", "minimum": 1, "maximum": TOKENS_MAX, "examples": [5]}
    _or_scalar(definitions["RoutePart"]["properties"]["cost"], tokens)
    _tiers(properties["tiers"], definitions)
    properties["limits"]["properties"]["use"] = _used("Limits of `_shared.yaml`, by name.")
    properties["tiers"]["properties"] = {"use": _used("Tiers of `_shared.yaml`, by name.")}
    for part in ("limits", "tiers"):
        _apart(properties[part])
    _named(definitions["CostPart"]["properties"]["steps"], STEP_PATTERN, _STEP_EXAMPLES)
    for part in ("AuthPart", "RoutePart"):
        window = schema["definitions"][part]["properties"]["window"]
        _or_scalar(window, {"type": "string", "pattern": DURATION_PATTERN, "examples": ["5s"]})
    _or_scalar(
        schema["definitions"]["OnFailurePart"]["properties"]["replay"],
        {"type": "string", "pattern": "^(deny|allow|local)$", "examples": ["deny", "local"]},
    )
    abuse = schema["definitions"]["AbusePart"]["properties"]
    _named(abuse["signals"], SIGNAL_PATTERN, _SIGNAL_EXAMPLES)
    rungs = {key: abuse["ladder"].pop(key) for key in _OF_A_LIST if key in abuse["ladder"]}
    abuse["ladder"]["anyOf"] = [_LADDER_USED, rungs]
    _ones(definitions)
    for part in ("StepPart", "OneCasePart"):
        status = {"type": "integer", "minimum": 200, "maximum": 599, "examples": [400]}
        _or_scalar(definitions[part]["properties"]["answer"], status)
    tidied: Schema = _tidy(schema)
    add_editor_words(tidied)
    return tidied


def shared_schema() -> Schema:
    """That of `_shared.yaml`."""
    schema = _generated(SharedFile, "what guard policies share")
    properties, definitions = schema["properties"], schema["definitions"]
    _named(properties["limits"], ID_PATTERN, _LIMIT_EXAMPLES)
    _tiers(properties["tiers"], definitions)
    _named(properties["signals"], SIGNAL_PATTERN, _SIGNAL_EXAMPLES)
    _named(properties["ladder"], ID_PATTERN, [])
    _ones(definitions)
    tidied: Schema = _tidy(schema)
    describe_choices(tidied)
    return tidied


def _generated(part: type[BaseModel], title: str) -> Schema:
    generated = part.model_json_schema(ref_template="#/definitions/{model}")
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": title,
        **{key: value for key, value in generated.items() if key not in ("$defs", "title")},
        "definitions": generated["$defs"],
    }


def _apart(mapping: Schema) -> None:
    """What has a meaning of its own there is no name."""
    words = "|".join(sorted(mapping["properties"]))
    mapping["patternProperties"] = {
        pattern.replace("^", f"^(?!({words})$)", 1): part for pattern, part in mapping["patternProperties"].items()
    }


def _used(description: str) -> Schema:
    names = {"type": "string", "pattern": ID_PATTERN}
    return {"type": "array", "items": names, "minItems": 1, "maxItems": 100, "description": description}


def _tiers(tiers: Schema, definitions: Schema) -> None:
    """What stands for each limit of each tier."""
    _named(tiers, ID_PATTERN, _TIER_EXAMPLES)
    limits_of_tier = tiers["patternProperties"][ID_PATTERN]
    _named(limits_of_tier, ID_PATTERN, [])
    rate = definitions["TierLimitPart"]["properties"]["rate"]["anyOf"][0]
    _or_scalar(limits_of_tier["patternProperties"][ID_PATTERN], rate)


def _ones(definitions: Schema) -> None:
    for part, fields in _OR_ONE.items():
        for field in fields if part in definitions else ():
            _or_one(definitions[part]["properties"][field])


def _limits(part: Schema, description: str) -> Schema:
    """The mode of all stands beside their names."""
    named = part["properties"].pop("named")
    _named(named, ID_PATTERN, _LIMIT_EXAMPLES)
    return {**named, "properties": part["properties"], "description": description}


def _named(mapping: Schema, pattern: str, examples: list[Schema]) -> None:
    """A mapping whose keys have a form."""
    inner = mapping.get("additionalProperties") or next(iter(mapping["patternProperties"].values()))
    mapping["patternProperties"] = {pattern: inner}
    mapping["additionalProperties"] = False
    if examples:
        mapping["examples"] = examples
    mapping.pop("propertyNames", None)


def _or_one(field: Schema) -> None:
    """A list for which one entry may stand."""
    forms = field.pop("anyOf", None) or [{key: field.pop(key) for key in _OF_A_LIST if key in field}]
    listed = next(form for form in forms if form["type"] == "array")
    field["anyOf"] = [listed["items"], listed]


def _or_scalar(field: Schema, scalar: Schema) -> None:
    """A mapping for which a scalar may stand."""
    reference = field.pop("$ref", None) or next(one["$ref"] for one in field.pop("anyOf") if "$ref" in one)
    said = ("type", "pattern", "minimum", "maximum", "examples")
    field["anyOf"] = [{key: scalar[key] for key in said if key in scalar}, {"$ref": reference}]


def _tidy(node: Any) -> Any:
    """Without what says nothing to an author: titles, nulls, defaults that are spelled otherwise in YAML."""
    if isinstance(node, list):
        return [_tidy(item) for item in node if item != {"type": "null"}]
    if not isinstance(node, dict):
        return node
    if [one for one in node.get("anyOf", ()) if one != {"type": "null"}] != node.get("anyOf", []):
        others = [one for one in node["anyOf"] if one != {"type": "null"}]
        chosen = others[0] if len(others) == 1 else {"anyOf": others}
        node = {**chosen, **{key: value for key, value in node.items() if key != "anyOf"}}
    if "$ref" in node and len(node) > 1:  # draft-07 ignores what stands beside a reference
        node = {"allOf": [{"$ref": node["$ref"]}], **{key: value for key, value in node.items() if key != "$ref"}}
    default = node.get("default")
    spelled = isinstance(default, str | bool) or (isinstance(default, int) and node.get("type") == "integer")
    tidied = {key: _inside(key, value) for key, value in node.items() if key != "default" or spelled}
    if isinstance(tidied.get("description"), str):
        tidied["markdownDescription"] = tidied["description"]
    if isinstance(tidied.get("title"), str) and "$schema" not in tidied:
        del tidied["title"]
    return tidied


def _inside(key: str, value: Any) -> Any:
    """What stands under a key of a schema, tidied; a field may be called `default` or `title`."""
    if key == "properties":
        return {name: _tidy(field) for name, field in value.items()}
    return _tidy(value)
