"""Settings for all tests: no admin API where a test does not ask for one; hypothesis replays the same cases on
each run, so that a red test stays red.

`make fuzz` draws new ones, and many more; a failure there prints the case to keep as an example.
"""

import os

from hypothesis import HealthCheck, settings

from tests.servers.fixtures import postgres_of_session, postgres_url, redis_of_session, redis_url

__all__ = ["postgres_of_session", "postgres_url", "redis_of_session", "redis_url"]

_EXAMPLES, _FUZZ_EXAMPLES = 100, 2000
_FUZZ = bool(os.environ.get("GUARD_FUZZ"))

settings.register_profile(
    "guard",
    derandomize=not _FUZZ,
    deadline=None,
    max_examples=_FUZZ_EXAMPLES if _FUZZ else _EXAMPLES,
    print_blob=_FUZZ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("guard")

os.environ.setdefault("GUARD_ADMIN_LISTEN", "none")  # several gateways at once cannot share the port of the default
