"""Nothing that stops many is asked for without a reason, or by a misspelt member."""

import msgspec
import pytest

from guard.edges.admin.stop_shapes import Because, CreateHalt, HaltQuery, RevokeKeys, WhichHalts
from guard.model.halts import HaltKind


@pytest.mark.parametrize(
    ("shape", "given"), [(Because, {}), (CreateHalt, {"kind": "all"}), (RevokeKeys, {"account": "acme"})]
)
def test_a_reason_is_needed(shape: type, given: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError, match="why"):
        msgspec.convert(given, shape)
    with pytest.raises(msgspec.ValidationError, match="length"):
        msgspec.convert({**given, "why": ""}, shape)
    msgspec.convert({**given, "why": "a test"}, shape)


def test_a_halt_lets_nothing_pass_and_a_list_is_of_what_is_in_force_unless_it_is_said() -> None:
    halt = CreateHalt(kind=HaltKind.ALL, why="a test")
    assert (halt.name, halt.reads_only, halt.with_cancels) == ("", False, False)
    assert HaltQuery().state is WhichHalts.IN_FORCE
    assert RevokeKeys(why="a test").dry_run is False
