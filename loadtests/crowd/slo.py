"""What a scenario must hold, read from `slo.yaml`: latency, failures and rates by name, and what no load may break.

A name that is listed and was never asked has not held: a run that measured nothing does not pass.
"""

import re
from pathlib import Path

import msgspec
import yaml

from guard.policy.units import UnitFault, duration_ms
from loadtests.crowd.refusal import Refusal

_SHARE = re.compile(r"(100|[0-9]{1,2}(\.[0-9]{1,4})?)%", re.ASCII)
_MILLION = 1_000_000


class NameSlo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The longest that half, 95 and 99 % of the requests of a name may take; the most of them that may be answered in
    an unexpected way, or not at all; the fewest a second.
    """

    p50: str | None = None
    p95: str | None = None
    p99: str | None = None
    fail_ratio: str = "0%"
    min_rps: int = 1


class SecuritySlo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What holds under every load. The defaults are the strictest."""

    replays_accepted: int = 0
    over_admission: int = 0
    legit_denied: str = "0%"
    cancel_success: str = "100%"


class Slo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of one scenario. `achieved` is the share of the requests offered that must really have been sent."""

    names: dict[str, NameSlo]
    achieved: str = "95%"
    security: SecuritySlo = SecuritySlo()


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    scenarios: dict[str, Slo]


def read_slo(file: Path, scenario: str) -> Slo:
    """The scenario's part of a file. Raises Refusal, which names the file and the remedy."""
    try:
        content = msgspec.convert(yaml.safe_load(file.read_bytes()), _File)
    except OSError as error:
        raise Refusal(f"{file}: {error.strerror}: name a file with --slo") from None
    except yaml.YAMLError as error:
        raise Refusal(f"{file}: this is not YAML: {' '.join(str(error).split())}") from None
    except msgspec.ValidationError as error:
        raise Refusal(f"{file}: {error}: loadtests/README.md says what may stand there") from None
    if scenario not in content.scenarios:
        raise Refusal(f"{file}: nothing about {scenario}: add it below `scenarios`")
    slo = content.scenarios[scenario]
    _read_all(file, scenario, slo)
    return slo


def share_ppm(text: str) -> int:
    """`0.1%` as parts of a million. Raises ValueError."""
    if _SHARE.fullmatch(text) is None:
        raise ValueError(f"`{text}` is no share: write a number from 0 to 100 and a percent sign, such as 0.1%")
    whole, _, fraction = text[:-1].partition(".")
    return int(whole) * 10_000 + int(fraction.ljust(4, "0") or "0")


def ppm_text(ppm: int) -> str:
    """The other way round, with no more digits than needed."""
    return f"{ppm // 10_000}.{ppm % 10_000:04}".rstrip("0").rstrip(".") + "%"


def ratio_ppm(part: int, whole: int) -> int:
    """How many of a million; none of nothing."""
    return part * _MILLION // whole if whole else 0


def _read_all(file: Path, scenario: str, slo: Slo) -> None:
    """Every duration and share once, so that a run does not end in a typing error."""
    shares = {"achieved": slo.achieved}
    shares |= {f"security.{part}": getattr(slo.security, part) for part in ("legit_denied", "cancel_success")}
    for name, of_name in slo.names.items():
        shares[f"names.{name}.fail_ratio"] = of_name.fail_ratio
        for percentile in ("p50", "p95", "p99"):
            _duration(f"{file}: {scenario}.names.{name}.{percentile}", getattr(of_name, percentile))
    for place, text in shares.items():
        try:
            share_ppm(text)
        except ValueError as fault:
            raise Refusal(f"{file}: {scenario}.{place}: {fault}") from None


def _duration(place: str, text: str | None) -> None:
    try:
        duration_ms("1s" if text is None else text)
    except UnitFault as fault:
        raise Refusal(f"{place}: `{text}` {fault.message}: {fault.help_text}") from None
