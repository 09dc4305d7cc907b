"""The scenarios: what each shows, whom and what it needs. Their users are in `scenarios/NAME.py`, the policy that they
run against in `policies/`, what must hold in `slo.yaml`.
"""

from pathlib import Path

import msgspec

from loadtests.crowd.keys import Role
from loadtests.crowd.shapes import Shape, halves, sentence, spike, steady

ROOT = Path(__file__).parent.parent
_TRADER, _ONE_KEY = Role("trader"), Role("trader", shared=True)


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """`users` is what `--users` is by default, `duration` what `--duration` is."""

    name: str
    shows: str
    policy: str
    users: int = 10
    duration: str = "60s"
    roles: tuple[Role, ...] = (_TRADER,)
    shape: Shape = steady

    @property
    def locustfile(self) -> Path:
        """Its users."""
        return ROOT / "scenarios" / f"{self.name}.py"

    @property
    def policy_file(self) -> Path:
        """What the gateway serves."""
        return ROOT / "policies" / self.policy


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(name="steady", shows="an ordinary day: 70 % reads, 25 % orders, 5 % cancels", policy="exchange.yaml"),
    Scenario(
        name="key_flood",
        shows="one key floods: admitted is at most burst + rate × time",
        policy="exchange.yaml",
        roles=(_ONE_KEY,),
    ),
    Scenario(
        name="spike",
        shows="ten times as many traders for a while, and recovery",
        policy="exchange.yaml",
        users=5,
        shape=spike,
    ),
    Scenario(
        name="replay_storm",
        shows="captured requests from everywhere at once: each is served exactly once",
        policy="exchange.yaml",
        roles=(_ONE_KEY,),
    ),
    Scenario(
        name="strangers",
        shows="forged signatures and unknown keys: the honest trader loses nothing",
        policy="exchange.yaml",
        users=7,
        roles=(_ONE_KEY,),
    ),
    Scenario(
        name="noisy_neighbour",
        shows="honest traders, alone and beside one who floods",
        policy="exchange.yaml",
        roles=(_TRADER, Role("neighbour", shared=True)),
        shape=halves,
    ),
    Scenario(
        name="cancel_in_flood",
        shows="a key that floods with orders may still cancel",
        policy="exchange.yaml",
        users=6,
        roles=(_ONE_KEY,),
    ),
    Scenario(
        name="ban_and_release",
        shows="who ignores a limit is banned, and served again after it (10 s or longer)",
        policy="abuse.yaml",
        users=4,
        roles=(_TRADER, Role("offender")),
        shape=sentence,
    ),
)
