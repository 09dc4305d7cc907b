from collections.abc import Iterator

import pytest

from tests.cli.recorder import Recorder, recording


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with recording() as server:
        yield server
