"""What the runner tells the Locust processes: in a file that only its owner can read, since it holds the keys."""

import os
from pathlib import Path

import msgspec

from loadtests.crowd.keys import LoadKey
from loadtests.crowd.shapes import Stage

VARIABLE = "GUARD_LOADTEST_PLAN"


class Plan(msgspec.Struct, frozen=True):
    """`keys` by role and worker; `seen` is the directory into which each worker writes what it saw."""

    scenario: str
    stages: tuple[Stage, ...]
    keys: dict[str, tuple[tuple[LoadKey, ...], ...]]
    seen: str


def write_plan(file: Path, plan: Plan) -> None:
    """A new file."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as writing:
        writing.write(msgspec.json.encode(plan))


def planned() -> Plan:
    """The plan of this process. Raises RuntimeError outside a run."""
    file = os.environ.get(VARIABLE)
    if file is None:
        raise RuntimeError(
            "no plan: start scenarios with `guard loadtest run SCENARIO`, which makes keys and a gateway"
        )
    return msgspec.json.decode(Path(file).read_bytes(), type=Plan)
