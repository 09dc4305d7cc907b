"""Where a benchmark keeps its state."""

import pytest

from loadtests.bench.gateway import listens
from loadtests.bench.state import State, state


def test_a_url_is_taken_as_it_is() -> None:
    with state("memory://") as memory, state("redis://10.0.0.1:6379") as other:
        assert (memory, other) == (State("memory://"), State("redis://10.0.0.1:6379"))


@pytest.mark.system
def test_redis_is_one_of_its_own_and_ends_with_the_block() -> None:
    with state("redis") as own:
        assert own.pid is not None
        port = int(own.url.rpartition(":")[2])
        assert listens(port)
    assert not listens(port)
