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


def _script(*names: str) -> Script:
    source = b"".join([(_LUA / f"{name}.lua").read_bytes() for name in ("packed", *names)])
    return Script(source, hashlib.sha1(source, usedforsecurity=False).hexdigest().encode())


CHARGE: Final = _script("charge")
GIVE_BACK: Final = _script("give_back")
BURY: Final = _script("bury")
CLOCK: Final = _script("clock")
SCORE: Final = _script("subjects", "score")
FORGET: Final = _script("subjects", "forget")
ALL: Final = (CHARGE, GIVE_BACK, BURY, CLOCK, SCORE, FORGET)
