"""State in memory belongs to one process."""

from pathlib import Path

import pytest

from guard.app.alone import alone_on
from guard.state.faults import StateError


def test_a_second_gateway_on_the_same_keys_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with alone_on(tmp_path / "guard.db"):
        with pytest.raises(StateError, match="GUARD_HOME of its own"), alone_on(tmp_path / "guard.db"):
            pass
        with alone_on(tmp_path / "other.db"):
            pass


def test_the_next_gateway_may_start_once_the_first_has_ended(tmp_path: Path) -> None:
    for _ in range(2):
        with alone_on(tmp_path / "guard.db"):
            pass


def test_the_lock_is_the_owners_alone(tmp_path: Path) -> None:
    with alone_on(tmp_path / "guard.db"):
        assert (tmp_path / "guard.db.serving").stat().st_mode & 0o077 == 0
