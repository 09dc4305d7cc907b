"""What was seen against what must hold: one finding a line, and the exit code that follows from all of them."""

from collections.abc import Iterator, Mapping

import msgspec

from guard.policy.units import duration_ms
from loadtests.crowd.slo import NameSlo, SecuritySlo, Slo, ppm_text, ratio_ppm, share_ppm
from loadtests.crowd.tally import Name, Tally

EXIT_HELD, EXIT_ERRORS, EXIT_BREACHED = 0, 1, 3
_MS_US = 1000


class Finding(msgspec.Struct, frozen=True):
    """One thing that must hold: what, what was wanted of it, what was found."""

    what: str
    wanted: str
    found: str
    held: bool


class Verdict(msgspec.Struct, frozen=True):
    """All findings, and what went wrong with the run itself."""

    findings: tuple[Finding, ...]
    errors: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """Errors first: a run that went wrong says nothing of the SLOs."""
        if self.errors:
            return EXIT_ERRORS
        return EXIT_HELD if all(finding.held for finding in self.findings) else EXIT_BREACHED


def judge(slo: Slo, tally: Tally, *, over: Mapping[str, int], duration_s: int, errors: tuple[str, ...]) -> Verdict:
    """`over` is by how much each limit was exceeded, as `allowance.py` has it."""
    findings = [finding for name, wanted in slo.names.items() for finding in _of_name(name, wanted, tally, duration_s)]
    achieved = ratio_ppm(tally.begun, tally.offered)
    findings.append(_at_least("sent of what was offered", slo.achieved, achieved, tally.offered))
    findings += _security(slo.security, tally, over)
    return Verdict(tuple(findings), (*errors, *tally.errors))


def _of_name(name: str, wanted: NameSlo, tally: Tally, duration_s: int) -> Iterator[Finding]:
    seen = tally.names.get(name, Name())
    for percent, bound in ((50, wanted.p50), (95, wanted.p95), (99, wanted.p99)):
        if bound is not None:
            found_us = seen.percentile_us(percent)
            held = seen.asked > 0 and found_us <= duration_ms(bound) * _MS_US
            found = f"{found_us / _MS_US:g}ms" if seen.asked else "nothing was asked"
            yield Finding(f"{name}: p{percent}", f"≤ {bound}", found, held)
    yield _at_most(f"{name}: failed", wanted.fail_ratio, seen.unexpected, seen.asked)
    rps = seen.asked / max(1, duration_s)
    yield Finding(f"{name}: requests a second", f"≥ {wanted.min_rps}", f"{rps:.1f}", rps >= wanted.min_rps)


def _security(wanted: SecuritySlo, tally: Tally, over: Mapping[str, int]) -> Iterator[Finding]:
    replays = sum(max(0, served - 1) for served in tally.once.values())
    yield Finding(
        "replays accepted", f"≤ {wanted.replays_accepted}", str(replays), held=replays <= wanted.replays_accepted
    )
    worst = max(over.values(), default=0)
    told = ", ".join(f"{limit} {by}" for limit, by in over.items() if by) or "0"
    yield Finding("admitted over a limit", f"≤ {wanted.over_admission}", told, held=worst <= wanted.over_admission)
    legit = [name for name in tally.names.values() if name.legit]
    denied = sum(name.denied for name in legit)
    # Of the requests of which one copy must be served: those of which none was.
    denied += sum(served == 0 for served in tally.once.values())
    asked = sum(name.asked for name in legit) + len(tally.once)
    if legit or tally.once:
        yield _at_most("honest requests denied", wanted.legit_denied, denied, asked)
    cancels = [name for name in tally.names.values() if name.cancels]
    if cancels:
        asked = sum(name.asked for name in cancels)
        served = asked - sum(name.unexpected for name in cancels)
        yield _at_least("cancels served", wanted.cancel_success, ratio_ppm(served, asked), asked)


def _at_most(what: str, bound: str, part: int, whole: int) -> Finding:
    held = whole > 0 and part * 1_000_000 <= share_ppm(bound) * whole
    return Finding(what, f"≤ {bound}", f"{ppm_text(ratio_ppm(part, whole))} ({part} of {whole})", held)


def _at_least(what: str, bound: str, found_ppm: int, whole: int) -> Finding:
    return Finding(what, f"≥ {bound}", f"{ppm_text(found_ppm)} of {whole}", whole > 0 and found_ppm >= share_ppm(bound))
