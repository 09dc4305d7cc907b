"""A supervisor whose workers serve a small ASGI application instead of a gateway: for tests of what is around it.

`python -m tests.system.crew CONFIG`, in JSON; `crew_worker.py` is one of its workers.
"""

import sys

import msgspec
import uvloop

from guard.app.node import Node, open_node
from guard.app.supervisor import Supervisor
from guard.app.worker import CannotServe
from guard.edges.health import Readiness
from guard.model.policy import PolicySet
from guard.server.binding import Binding
from guard.server.endpoint import endpoint
from guard.service.policies import Rulebook, Rules
from guard.settings import Settings
from guard.telemetry import logs
from tests.reloads import standing
from tests.system.crew_worker import Config

_RULES = Rules(Rulebook(policies=PolicySet(services=(), digest="test"), schemes={}))


async def _supervise(config: Config) -> None:
    supervisor = Supervisor(
        (sys.executable, "-m", "tests.system.crew_worker"),
        msgspec.json.encode(config),
        Binding(endpoint(config.listen)),
        workers=config.workers,
        grace_s=config.grace_s,
    )

    def readiness() -> Readiness:
        return Readiness(policy="test", reasons=supervisor.waiting_for)

    def say(word: str) -> None:
        sys.stdout.write(word + "\n")
        sys.stdout.flush()

    settings = Settings(health_listen=config.health_listen, admin_listen="none")
    async with open_node(settings, Node(readiness=readiness, tally=supervisor.tally, reloading=standing(_RULES))):
        await supervisor.run(lambda: say("ready"), lambda: say("draining"))


if __name__ == "__main__":
    logs.configure("info")
    try:
        uvloop.run(_supervise(msgspec.json.decode(sys.argv[1].encode(), type=Config)))
    except (CannotServe, OSError) as cannot:
        sys.exit(str(cannot))
