"""Exactly the condition that is meant is taken out."""

import pytest

from tests.faults.knocking import without

_PYTHON = """
if a:
    pass
elif b[1:] and (c):  # knockout: second  # noqa: X
    pass
if d:  # knockout: third
    pass
"""
_LUA = """
if seen then return end
elseif late and sure then -- knockout: stale
  return
end
"""


def test_a_condition_in_python_never_holds() -> None:
    assert without(_PYTHON, ".py", "knockout: third") == _PYTHON.replace("if d:", "if False:")


def test_a_condition_in_lua_never_holds() -> None:
    assert without(_LUA, ".lua", "if seen") == _LUA.replace("seen", "false")
    assert without(_LUA, ".lua", "knockout: stale") == _LUA.replace("late and sure", "false")


def test_a_condition_that_admits_always_holds() -> None:
    assert without(_PYTHON, ".py", "knockout: third", always=True) == _PYTHON.replace("if d:", "if True:")
    assert without(_LUA, ".lua", "if seen", always=True) == _LUA.replace("seen", "true")


def test_a_clue_that_is_not_there_or_there_twice_is_told() -> None:
    with pytest.raises(ValueError, match="0 conditions"):
        without(_PYTHON, ".py", "knockout: first")
    with pytest.raises(ValueError, match="2 conditions"):
        without(_LUA * 2, ".lua", "if seen")
