"""What the JSON Schema says to editors beyond what is valid: snippets, and what each word of a choice means.

`defaultSnippets` and `enumDescriptions` are extensions of JSON Schema that yaml-language-server and VS Code read.
"""

from typing import Any, Final

Schema = dict[str, Any]

_MODES: Final = {
    "enforce": "What is refused is refused.",
    "shadow": "It is asked, counts and is recorded, and refuses nothing.",
    "off": "It is not asked.",
}
_KINDS_OF_KEY: Final = {
    "hmac-sha256": "A secret that guard holds too, sealed.",
    "hmac-sha512": "A secret that guard holds too, sealed.",
    "ed25519": "A key pair; guard holds the public half only.",
    "rsa": "A key pair of 2048 bits or more; guard holds the public half only.",
    "ecdsa-p256": "A key pair; guard holds the public half only.",
    "api-key": "A bare secret that is sent with each request: who sees one can send others.",
}
_ON_LOSS: Final = {
    "deny": "Refused with 503.",
    "allow": "Lets pass, also what was executed before.",
    "local": "Lets pass what this process has not seen.",
}
WORDS: Final[dict[str, dict[str, str]]] = {
    "mode": _MODES,
    "algorithms": _KINDS_OF_KEY,
    "algorithm": _KINDS_OF_KEY,
    "default": _ON_LOSS,
    "critical": _ON_LOSS,
    "per": {
        "ip": "The client's address; with it alone, asked before anything is verified.",
        "key": "The key, through all its rotations; its address for who has none.",
        "account": "The key's account; its address for who has none.",
        "route": "Each route by itself.",
        "group": "Each group of routes by itself.",
        "service": "All that comes.",
    },
    "priority": {
        "normal": "Reads are shed before orders.",
        "critical": "Shed last in an overload: for cancels.",
    },
    "require": {
        "key_ip_allowlist": "A key that is bound to networks.",
        "mtls": "A client certificate that guard's own listener has verified.",
        "idempotency_key": "One Idempotency-Key field, by which the backend knows a request that comes again.",
    },
    "count": {
        "cost": "What each request costs.",
        "requests": "Each request once, whatever it costs.",
        "bytes": "The bytes of each request's body.",
    },
    "bans": {"last-known": "Those that this process knows hold on."},
    "distinct": {
        "key": "Keys that are named.",
        "ip": "Addresses.",
        "network": "Networks, IPv4 by /24 and IPv6 by /48.",
        "route": "Routes.",
    },
    "action": {
        "slow": "Each request waits before its body is read.",
        "throttle": "Rates are lower for a while.",
        "quarantine": "Only reads, and routes of `priority: critical`.",
        "ban": "Nothing, for a term that grows each time.",
    },
    "of": {
        "reads": "Only requests that read.",
        "orders": "Only requests that do more than read.",
        "cancels": "Only requests to routes of `priority: critical`.",
    },
    "uses": {"reads": "Only routes that read.", "cancels": "Only routes with `priority: critical`."},
    "tamper": {
        "body": "The body was another when it was signed.",
        "path": "The path was another when it was signed.",
        "signature": "One bit of the signature is another.",
    },
    "decision": {"allow": "It goes to the backend.", "deny": "It is refused."},
}
"""By field: what each of the words that it takes means."""

_SNIPPETS: Final[dict[str, list[Schema]]] = {
    "routes": [
        {
            "label": "route that reads",
            "description": "A signed request that changes nothing.",
            "body": {"GET ${1:/v1/account}": {"scope": "${2:read}"}},
        },
        {
            "label": "route for orders",
            "description": "A signed request that does something; limits know it by its group.",
            "body": {"POST ${1:/v1/orders}": {"scope": "${2:trade}", "group": "${3:orders}"}},
        },
        {
            "label": "route for cancels",
            "description": "The way out: shed last, and in no limit that orders can empty.",
            "body": {"DELETE ${1:/v1/orders}": {"scope": "${2:trade}", "group": "cancels", "priority": "critical"}},
        },
        {
            "label": "route that moves money",
            "description": "Only keys with a private half, bound to networks.",
            "body": {
                "POST ${1:/v1/withdrawals}": {
                    "scope": "${2:withdraw}",
                    "algorithms": ["ed25519"],
                    "require": ["key_ip_allowlist"],
                }
            },
        },
        {"label": "open route", "description": "For anyone.", "body": {"GET ${1:/v1/time}": {"auth": "none"}}},
    ],
    "limits": [
        {
            "label": "limit of a rate",
            "description": "A token bucket for each key.",
            "body": {"${1:key}": {"per": ["${2:key}"], "rate": "${3:20/s}", "burst": "^${4:40}"}},
        },
        {
            "label": "limit of a quota",
            "description": "So many in each UTC day.",
            "body": {"${1:daily}": {"per": ["${2:account}"], "quota": "${3:200000/day}"}},
        },
        {
            "label": "limit of requests at once",
            "description": "Each holds its slot until it is answered.",
            "body": {"${1:pending}": {"per": ["${2:key}"], "concurrent": "^${3:10}"}},
        },
    ],
}
_TEST_SNIPPETS: Final[list[Schema]] = [
    {
        "label": "test of one request",
        "description": "Who sends what, and what comes of it.",
        "body": {"send": "${1:POST /v1/orders}", "as": {"scopes": ["${2:trade}"]}, "expect": "${3:allow}"},
    },
    {
        "label": "test that a replay is refused",
        "description": "Save what was sent, and send it again.",
        "body": {
            "name": "${1:a captured order cannot be replayed}",
            "as": {"scopes": ["${2:trade}"]},
            "steps": [
                {"send": "${3:POST /v1/orders}", "save": "captured", "expect": "allow"},
                {"replay": "captured", "expect": "auth.replayed"},
            ],
        },
    },
]


def add_editor_words(schema: Schema) -> None:
    """Put snippets and meanings into the schema of a policy file."""
    for name, snippets in _SNIPPETS.items():
        schema["properties"][name]["defaultSnippets"] = snippets
    schema["properties"]["tests"]["defaultSnippets"] = [{**one, "body": [one["body"]]} for one in _TEST_SNIPPETS]
    schema["definitions"]["OneCasePart"]["defaultSnippets"] = _TEST_SNIPPETS
    describe_choices(schema)


def describe_choices(node: Any) -> None:
    """Say beside every choice what its words mean."""
    if isinstance(node, list):
        for item in node:
            describe_choices(item)
    elif isinstance(node, dict):
        for name, field in node.get("properties", {}).items():
            for choice in _choices(field):
                choice["enumDescriptions"] = [WORDS[name][word] for word in choice["enum"]]
        for below in node.values():
            describe_choices(below)


def _choices(field: Schema) -> list[Schema]:
    """The field itself, the items of its list, or one of its forms, where these take one of a few words."""
    forms = [field, *field.get("anyOf", ())]
    return [each for form in forms for each in (form, form.get("items", {})) if "enum" in each]
