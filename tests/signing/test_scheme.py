import pytest

from guard.signing.scheme import Shape, Sources
from tests.build import scheme


def test_a_scheme_is_never_changed() -> None:
    with pytest.raises(AttributeError):
        scheme().name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        scheme().forms["none"] = None  # type: ignore[index]


def test_nothing_is_refused_or_taken_unless_a_profile_says_so() -> None:
    assert not any(getattr(Shape(), name) for name in Shape.__struct_fields__)
    assert not any(getattr(Sources(), name) for name in Sources.__struct_fields__)
