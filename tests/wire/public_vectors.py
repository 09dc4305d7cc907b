"""The public corpora, read in place and never copied; a test that needs one is skipped where it is not at hand."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(os.environ.get("GUARD_PUBLIC_VECTORS", Path(__file__).parents[3] / "shared" / "vectors" / "public"))


def public(name: str, source: str) -> Any:
    """A corpus of `source` as parsed JSON."""
    path = _ROOT / name
    if not path.is_file():
        pytest.skip(f"{name} of {source} is not at hand (GUARD_PUBLIC_VECTORS)")
    return json.loads(path.read_text(encoding="utf-8"))


def head(raw_base64: str) -> tuple[bytes, bytes, list[tuple[bytes, bytes]]] | None:
    """Method, target and fields of a raw request as a forgiving parser splits it; None if there is nothing to split."""
    lines = base64.b64decode(raw_base64).partition(b"\r\n\r\n")[0].split(b"\r\n")
    method, space, rest = lines[0].partition(b" ")
    target, version_space, _ = rest.rpartition(b" ")
    if not (space and version_space):
        return None
    split = [line.partition(b":") for line in lines[1:]]
    return method, target, [(name.lower(), value.strip(b" \t")) for name, _, value in split]
