"""What may stand in a signature profile, and how one extends another. Types are checked here, sense in `profile`.

`extends: NAME` takes the parent's keys; a key of the child replaces the parent's, except that where both are maps they
are merged, one level deep. A parent may itself extend another.
"""

import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

from guard.model.facts import Transport
from guard.model.keys import KeyAlgorithm
from guard.signing.scheme import Encoding, Guarantee, SecretFormat, SignatureAlgorithm, TimeUnit

Path: TypeAlias = tuple[str | int, ...]
Stance: TypeAlias = Literal["allow", "refuse"]

_PARENTS_MAX = 8
_STEP = re.compile(r"\.([^.\[]+)|\[([0-9]+)\]")
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")


class ProfileFault(ValueError):  # noqa: N818  # faults are of the text, errors of the program
    """Why a profile is refused. `path` leads to the key at fault, perhaps a parent's; `message` is for its author."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A map that holds only what it says."""


class AlgorithmEntry(_Strict, frozen=True, kw_only=True):
    """How keys of one kind sign. `signature` is needed only where a kind of key knows several algorithms."""

    encoding: Encoding
    signature: SignatureAlgorithm | None = None
    secret: SecretFormat = SecretFormat.UTF8


class TimeEntry(_Strict, frozen=True, kw_only=True):
    """The unit of timestamps, the window that holds if nobody says otherwise, and the widest that anyone may grant."""

    unit: TimeUnit
    past_ms: int
    future_ms: int
    past_ms_max: int


class ShapeEntry(_Strict, frozen=True, kw_only=True):
    """Which parts a message may have. What is not mentioned is allowed."""

    query: Stance = "allow"
    body: Stance = "allow"
    get_body: Stance = "allow"
    post_query: Stance = "allow"
    query_and_body: Stance = "allow"
    duplicate_params: Stance = "allow"
    query_encoded_delims: Stance = "allow"
    query_charset: Literal["any", "rfc3986"] = "any"
    query_names: str | None = None


class ProfileEntry(_Strict, frozen=True, kw_only=True):
    """A whole profile."""

    transport: Transport
    guarantee: Guarantee
    take: dict[str, tuple[str, ...]]
    algorithms: dict[KeyAlgorithm, AlgorithmEntry]
    unbound: tuple[str, ...]
    base: str | None = None
    optional: tuple[str, ...] = ()
    decode: dict[str, Literal["percent"]] = {}
    formats: dict[str, str] = {}
    time: TimeEntry | None = None
    shape: ShapeEntry = ShapeEntry()


def read_profile(profile: Mapping[str, object], parents: Mapping[str, Mapping[str, object]]) -> ProfileEntry:
    """The profile with its parents' keys, its types checked. Raises ProfileFault."""
    merged = _with_parents(profile, parents)
    try:
        return msgspec.convert(merged, ProfileEntry, strict=True)
    except msgspec.ValidationError as fault:
        raise _explained(str(fault)) from fault


def _with_parents(profile: Mapping[str, object], parents: Mapping[str, Mapping[str, object]]) -> dict[str, object]:
    chain = [profile]
    while (parent := chain[-1].get("extends")) is not None:
        if not isinstance(parent, str) or parent not in parents:
            raise ProfileFault(("extends",), f"there is no profile {parent!r}; known are {', '.join(sorted(parents))}")
        if len(chain) > _PARENTS_MAX:
            raise ProfileFault(
                ("extends",), f"more than {_PARENTS_MAX} profiles extend each other, or a circle of them"
            )
        chain.append(parents[parent])
    merged: dict[str, object] = {}
    for layer in reversed(chain):
        for key, value in layer.items():
            inherited = merged.get(key)
            if isinstance(inherited, Mapping) and isinstance(value, Mapping):
                merged[key] = {**inherited, **value}
            else:
                merged[key] = value
    merged.pop("extends", None)
    return merged


def _explained(text: str) -> ProfileFault:
    """Msgspec's message with its `$.a.b[0]` as a path. It does not say which key of a free map is meant: `[...]`."""
    message, _, place = text.partition(" - at `")
    path: list[str | int] = []
    for name, index in _STEP.findall(place.removeprefix("key in ").split("[...]")[0].rstrip("`")):
        path.append(name or int(index))
    unknown = _UNKNOWN.search(message)
    if unknown:
        path.append(unknown[1])
        message = f"unknown key {unknown[1]!r}"
    return ProfileFault(tuple(path), message.replace("Object missing required field", "missing key"))
