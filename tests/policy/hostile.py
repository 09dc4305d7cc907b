"""Files that a policy loader must refuse, from `tests/vectors/hostile_policies.json`: bombs, giants, nests, odd
unicode, and what was cut off while it was written.
"""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.policy_text import HEAD

_VECTORS = Path(__file__).parents[1] / "vectors" / "hostile_policies.json"

HOSTILE: dict[str, dict[str, Any]] = {case["name"]: case for case in json.loads(_VECTORS.read_text())["cases"]}
_GENERATED: dict[str, Callable[[], str]] = {
    "deep_map_5000": lambda: "".join(" " * i + "a:\n" for i in range(5000)),
    "big_scalar_5MiB": lambda: 'k: "' + "a" * (5 << 20) + '"\n',
    "big_policy_10MiB": lambda: HEAD + "routes:\n  GET /x: {scope: read}\n" + "# all in order\n" * 699_051,
    "many_keys_200k": lambda: "\n".join(f"k{i}: 1" for i in range(200000)),
    "huge_int": lambda: "limit: " + "9" * 200000 + "\n",
    "anchor_flood": lambda: "".join(f"a{i}: &x{i} 1\n" for i in range(50000)),
    "many_routes_24k": lambda: HEAD + "routes:\n" + "".join(f"  GET /{n}: {{}}\n" for n in range(24_000)),
    "empty": lambda: "",
}

KINDS = {
    "bomb": ("billion_laughs_map", "merge_key_bomb"),
    "giant": ("big_policy_10MiB", "deep_map_5000", "many_routes_24k"),
    "nest": ("deep_flow_10000",),
    "unicode": ("rtl_override", "bad_utf8"),
    "cut": ("truncated", "truncated_utf8"),
}
"""Of each kind those that a loader would fare worst with."""


def content_of(name: str) -> bytes:
    """The file of this name."""
    case = HOSTILE[name]
    return base64.b64decode(case["base64"]) if "base64" in case else _GENERATED[name]().encode()
