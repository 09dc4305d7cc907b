"""What is said of each diagnostic code beside its meaning: why it is wrong, and a wrong and a right example.

The texts are `explanations.yaml`; a test loads each example, and finds exactly this code in the wrong one and none in
the right one.
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from textwrap import fill, indent
from typing import Final

import msgspec
import yaml
from yamlcore import CoreLoader

from guard.policy.codes import MEANINGS

_FILE: Final = Path(__file__).with_name("explanations.yaml")
_POLICY: Final = "exchange.yaml"
_COLUMNS: Final = 100
_NEEDED: Final = {
    "version": "version: 1\n",
    "service": "service: exchange\n",
    "upstream": "upstream: http://127.0.0.1:8081\n",
    "routes": "routes:\n  GET /v1/orders: {scope: read}\n",
}


class Grow(msgspec.Struct, frozen=True):
    """What `…` stands for in an example that is too long to be shown."""

    text: str
    times: int


class Explanation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One code. An example is text, or several files by name; see `explanations.yaml`."""

    why: str
    wrong: str | dict[str, str]
    right: str | dict[str, str]
    whole: bool = False
    grow: Grow | None = None
    granted: tuple[str, ...] | None = None
    workers: int = 1
    coverage: bool = False
    signers: str | None = None

    def files(self, example: str | dict[str, str]) -> dict[str, str]:
        """The example as files that can be loaded, with all that it leaves out. A name that ends in `/` is a folder."""
        named = {_POLICY: example} if isinstance(example, str) else example
        return {name: self._filled(name, text) for name, text in named.items()}

    def _filled(self, name: str, text: str) -> str:
        if self.grow is not None:
            text = text.replace("…", self.grow.text * self.grow.times)
        if self.whole or not name.endswith(".yaml") or name.endswith((".scheme.yaml", "_shared.yaml")):
            return text
        there = set(re.findall(r"^([a-z_]+):", text, re.MULTILINE))
        before = "".join(part for key, part in _NEEDED.items() if key not in {*there, "routes"})
        return before + text + ("" if "routes" in there else _NEEDED["routes"])


@cache
def explanations() -> Mapping[str, Explanation]:
    """All of them, in the order of the codes."""
    written = yaml.load(_FILE.read_text(encoding="utf-8"), CoreLoader)  # noqa: S506  # core schema only
    read = msgspec.convert(written, dict[str, Explanation])
    return {code: read[code] for code in MEANINGS}


def as_text(code: str) -> str:
    """The whole of one code, for a terminal."""
    told = explanations()[code]
    parts = [f"{code}: {MEANINGS[code]}", fill(told.why, _COLUMNS)]
    parts += [
        f"{word}:\n\n{indent(shown(example), ' ' * 4)}"
        for word, example in (("wrong", told.wrong), ("right", told.right))
    ]
    return "\n\n".join(parts)


def as_markdown(code: str) -> str:
    """The same as a section of a document, with the code as its anchor."""
    told = explanations()[code]
    parts = [f"## {code}", MEANINGS[code], told.why.strip()]
    for word, example in (("Wrong", told.wrong), ("Right", told.right)):
        parts.append(f"{word}:\n\n```yaml\n{shown(example)}\n```")
    return "\n\n".join(parts)


def shown(example: str | dict[str, str]) -> str:
    """The example as a person reads it; what cannot be seen is spelled out."""
    if isinstance(example, dict):
        example = "\n".join(f"# {name}\n{text}".rstrip() for name, text in example.items())
    return "".join(one if one.isprintable() or one == "\n" else f"\\u{ord(one):04X}" for one in example.rstrip("\n"))
