"""Where a message says what it is about: a policy's resources (`symbol`, `side`), to whose values a key may be kept.

A closed set of places, all of them in what a signature covers; `core/resources.py` reads messages by them.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias

import msgspec


class InQuery(msgspec.Struct, frozen=True, gc=False):
    """A parameter of the query."""

    name: str

    def __str__(self) -> str:
        return f"query {self.name}"


class InBody(msgspec.Struct, frozen=True, gc=False):
    """A member of a JSON body at `pointer`, or under its one name in a form."""

    pointer: tuple[str, ...]

    def __str__(self) -> str:
        return f"field /{'/'.join(self.pointer)}"


class InItems(msgspec.Struct, frozen=True, gc=False):
    """A member at `pointer` of each item of the array at `items` of a JSON body. Each item must have it."""

    items: tuple[str, ...]
    pointer: tuple[str, ...]

    def __str__(self) -> str:
        return f"items {'/'.join(('', *self.items)) or chr(34) * 2} field /{'/'.join(self.pointer)}"


class InPath(msgspec.Struct, frozen=True, gc=False):
    """The segment at `position` of the path, which is the variable `name` of its route."""

    name: str
    position: int

    def __str__(self) -> str:
        return f"path {self.name}"


Place: TypeAlias = InQuery | InBody | InItems | InPath

Resources: TypeAlias = Mapping[str, tuple[Place, ...]]
"""The places of each resource that a route tells. What is not in it is not told, and kept from keys that are kept to
some of it.
"""

ANY: Final[tuple[Place, ...]] = ()
"""In writing: the route is not about this resource, and whoever is kept to some of it may use it."""
