"""The run `policy_swaps` over two nodes of two workers each, on one Redis and one key database.

Nodes and workers swap each in its own moment, so that one limit is another on one of them for a while: each request is
whole all the same.
"""

from tests.servers.redis import RedisServer
from tests.soak import policy_swaps
from tests.soak.policy_swaps import PATIENT, Size, swapped
from tests.soak.verdict import Say, Verdict

NAME = "policy_swaps_nodes"
FULL = Size(lasts_s=policy_swaps.FULL.lasts_s, every_s=policy_swaps.FULL.every_s, clients=4)
SMALL = Size(lasts_s=4, every_s=0.8, clients=2)


def run(size: Size, say: Say) -> Verdict:
    """The state is waited for: what is asked is how whole an answer is, and not how quick."""
    with RedisServer() as redis:
        shared = {"GUARD_STATE_URL": redis.url, "GUARD_STORE_MS_MAX": "1000", "GUARD_WORKERS": "2"}
        return Verdict(NAME, swapped(size, say, nodes=2, environment={**PATIENT, **shared}))
