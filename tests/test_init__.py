import subprocess
import sys

import pytest

import guard


def test_importing_the_package_imports_no_more_of_it() -> None:
    program = "import guard, sys; print(*[name for name in sys.modules if name.startswith('guard.')])"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)  # noqa: S603
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("name", guard.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(guard, name) is not None


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Gard'"):
        guard.Gard  # noqa: B018
