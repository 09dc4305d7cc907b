from guard.model.names import UnixMs
from tests.build import NOW, override


def test_an_override_is_in_force_until_its_end_or_until_it_is_lifted() -> None:
    assert override().is_in_force(NOW)
    assert override().is_in_force(UnixMs(NOW + 59_999))
    assert not override().is_in_force(UnixMs(NOW + 60_000))
    assert not override(lifted_at=NOW).is_in_force(NOW)
