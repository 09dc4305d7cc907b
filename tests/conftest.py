"""Settings for all tests: hypothesis replays the same cases on each run, so that a red test stays red."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "guard", derandomize=True, deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("guard")
