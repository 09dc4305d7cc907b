"""Skipping a step of the line is a type error: mypy is asked about programs that try."""

import pytest
from mypy import api

_HEAD = """
from guard.core import decide
from guard.core.stages import Allow, Entered, Identified, Routed, Screened, Signed, Verified
from guard.edges.body import BodyReader
from guard.model.facts import BodyRead
from guard.model.names import UnixMs
from guard.model.questions import Granted
from guard.upstream.forward import forward
from guard.upstream.backend import Backend

NOW = UnixMs(0)

def line(routed: Routed, entered: Entered, identified: Identified, screened: Screened, signed: Signed,
         verified: Verified, granted: Granted, reader: BodyReader, backend: Backend, allow: Allow) -> None:
"""

_SKIPPING = {
    "enter without a route": "decide.enter(identified.facts, None)",
    "identify whose address may not ask": "decide.identify(routed, {}, NOW)",
    "screen what is not identified": "decide.screen(entered, None)",
    "look at a head that is not screened": "decide.verify_head(identified)",
    "verify what is not screened": "decide.verify(identified, BodyRead(b''), NOW)",
    "verify a body whose head was not looked at": "decide.verify(screened, BodyRead(b''), NOW)",
    "read a body before the head was looked at": "reader.read(screened)",
    "charge what is not verified": "decide.charge(signed, NOW)",
    "admit what is not verified": "decide.admit(signed, granted, None, NOW)",
    "send what is not allowed": "forward(backend, verified, [], b'', still=lambda: None)",
}
_IN_ORDER = """
    _ = decide.enter(routed, None)
    _ = decide.identify(entered, {}, NOW)
    _ = decide.screen(identified, None)
    _ = decide.verify_head(screened)
    _ = reader.read(signed)
    _ = decide.verify(signed, BodyRead(b''), NOW)
    _ = decide.charge(verified, NOW)
    _ = decide.admit(verified, granted, None, NOW)
    _ = forward(backend, allow, [], b'', still=lambda: None)
"""
_PROGRAM = _HEAD + "\n".join(f"    _ = {attempt}  # {name}" for name, attempt in _SKIPPING.items()) + _IN_ORDER


@pytest.fixture(scope="module")
def verdict(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What mypy says of one program with every attempt on a line of its own."""
    program = tmp_path_factory.mktemp("witness") / "skipping.py"
    program.write_text(_PROGRAM)
    said, _, _ = api.run(["--no-error-summary", str(program)])  # as in pyproject.toml: with the cache of `make check`
    return said


def _line_of(text: str) -> int:
    return _PROGRAM[: _PROGRAM.index(text)].count("\n") + 1


@pytest.mark.parametrize("name", _SKIPPING)
def test_skipping_a_step_is_a_type_error(verdict: str, name: str) -> None:
    assert f"skipping.py:{_line_of(f'# {name}')}: error: Argument" in verdict


def test_the_steps_in_order_are_not(verdict: str) -> None:
    last_attempt = _line_of(f"# {list(_SKIPPING)[-1]}")
    faults = [line for line in verdict.splitlines() if "error:" in line]
    assert all(int(fault.split(":")[1]) <= last_attempt for fault in faults), verdict
