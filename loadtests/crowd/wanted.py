"""What somebody asks to be run: read, looked up and refused with its remedy, before anything is started."""

from pathlib import Path

import msgspec

from guard.policy.units import UnitFault, duration_ms
from loadtests.crowd.catalogue import ROOT, SCENARIOS, Scenario
from loadtests.crowd.hosts import host_of
from loadtests.crowd.refusal import Refusal
from loadtests.crowd.slo import Slo, read_slo

_SECOND_MS = 1000


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What to run. `host` is a gateway that runs already, with keys from `keys_file`; without one, ours is started."""

    scenario: Scenario
    duration_ms: int
    users: int
    processes: int
    slo: Slo
    out: Path
    host: str | None = None
    keys_file: Path | None = None


def asked(
    scenario: str,
    *,
    duration: str | None,
    users: int | None,
    processes: int,
    host: str | None,
    owned: bool,
    keys_file: Path | None,
    slo_file: Path | None,
    out: Path,
) -> Wanted:
    """What was meant. Raises Refusal."""
    found = next((each for each in SCENARIOS if each.name == scenario), None)
    if found is None:
        raise Refusal(f"there is no scenario {scenario!r}: guard loadtest list names them")
    if (host is None) != (keys_file is None):
        raise Refusal("--host and --keys belong together: a gateway that runs already knows only its own keys")
    return Wanted(
        scenario=found,
        duration_ms=_duration_ms(duration or found.duration),
        users=users or found.users,
        processes=processes,
        slo=read_slo(slo_file or ROOT / "slo.yaml", scenario),
        out=out.absolute(),
        host=None if host is None else host_of(host, owned=owned),
        keys_file=keys_file,
    )


def _duration_ms(text: str) -> int:
    try:
        found = duration_ms(text)
    except UnitFault as fault:
        raise Refusal(f"--duration {text}: {fault.message}: {fault.help_text}") from None
    if found < _SECOND_MS:
        raise Refusal(f"--duration {text}: at least 1s")
    return found
