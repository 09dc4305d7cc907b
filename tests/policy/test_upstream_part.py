"""The shape of `upstream`, and what it is where nothing is said."""

import pytest
from pydantic import ValidationError

from guard.policy.upstream_part import BreakerPart, HealthPart, TimeoutPart, UpstreamPart


def test_what_is_left_out_has_its_default() -> None:
    part = UpstreamPart.model_validate({"url": "http://h"})
    assert (part.max_body, part.connections, part.waiting) == (1_048_576, 128, 1_024)
    assert part.timeout == TimeoutPart.model_validate({"connect": "1s", "response": "5s", "total": "10s"})
    assert (part.tls, part.health, part.breaker, part.assertion) == (None, None, None, None)


def test_names_that_python_keeps_for_itself_are_spelled_in_yaml_as_they_are_called() -> None:
    part = BreakerPart.model_validate({"min": 5, "open": "2s"})
    assert (part.failures, part.min_, part.window, part.open_) == (50, 5, 10_000, 2_000)


@pytest.mark.parametrize(
    "health", [{}, {"path": "healthz"}, {"path": "/h", "healthy": 0}, {"path": "/h", "unhealthy": 21}]
)
def test_a_health_question_has_a_path_and_a_sane_count(health: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        HealthPart.model_validate(health)
