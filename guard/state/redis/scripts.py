"""The questions as Lua: `lua/packed.lua`, which all share, and one file a question. Package data, read once."""

import hashlib
from pathlib import Path
from typing import Final

import msgspec

_LUA = Path(__file__).parent / "lua"


class Script(msgspec.Struct, frozen=True, gc=False):
    """A script and the name by which a server that has seen it knows it."""

    source: bytes
    sha: bytes


def _script(name: str) -> Script:
    source = (_LUA / "packed.lua").read_bytes() + (_LUA / f"{name}.lua").read_bytes()
    return Script(source, hashlib.sha1(source, usedforsecurity=False).hexdigest().encode())


CHARGE: Final = _script("charge")
GIVE_BACK: Final = _script("give_back")
BURY: Final = _script("bury")
CLOCK: Final = _script("clock")
ALL: Final = (CHARGE, GIVE_BACK, BURY, CLOCK)
