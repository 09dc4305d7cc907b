"""What a route's requests cost where that is no constant: by what stands in them, or by what their answers say.

A closed set of forms, compiled; `core/pricing.py` reads messages by them. No expressions.
"""

from typing import TypeAlias

import msgspec


class Steps(msgspec.Struct, frozen=True, gc=False):
    """`default` where nothing is said; else the cost of the first step that is not below the value. Ascending."""

    default: int
    costs: tuple[tuple[int, int], ...]


class ByItems(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """By the length of the array at `pointer` of a JSON body: `base`, and `each` for every `per` items begun.

    At most `items_max` items, and as if there were at least one.
    """

    pointer: tuple[str, ...]
    each: int
    base: int
    per: int
    items_max: int


class ByParameter(msgspec.Struct, frozen=True, gc=False):
    """By a number in the query."""

    name: bytes
    steps: Steps


class ByMember(msgspec.Struct, frozen=True, gc=False):
    """By a number at `pointer` of a JSON body, or under its one name in a form."""

    pointer: tuple[str, ...]
    steps: Steps


Pricing: TypeAlias = ByItems | ByParameter | ByMember
"""How a cost is read out of a request."""


class Settlement(msgspec.Struct, frozen=True, gc=False):
    """What a request is found to cost once it is answered: what the answer's `field` says, at most `most`; or
    `on_success` if its status is one of success. Until then it costs what its route says.
    """

    field: bytes | None
    most: int
    on_success: int | None = None
