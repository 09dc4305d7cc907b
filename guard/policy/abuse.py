"""The abuse section of one service, compiled into a table from events to signals. What can be wrong with it is
`abuse_faults.py`.

Every `on` is resolved here, so that an event of which nobody wants to know costs one look into a dictionary.
"""

import re
from collections.abc import Iterator
from typing import Final

from msgspec import structs

from guard.model.abuse import AbusePolicy, Action, Distinct, Rung, Signal, SubjectKind
from guard.model.reasons import TABLE
from guard.model.rules import Mode, Rule
from guard.policy.abuse_schema import AbusePart, CounterpartPart, RungPart, SignalPart
from guard.policy.auth import route_reads
from guard.policy.document import Document, Path
from guard.policy.heuristics import shipped_signals
from guard.policy.modes import lowest
from guard.policy.schema import PolicyFile, RoutePart

OUTCOMES: Final = tuple(f"outcome.{digit}xx" for digit in range(1, 6))
"""Events of answers of the backend, by the first digit of their status."""

_ANSWERS: Final = "outcome.*"
_BEFORE_THE_STORE: Final = "authz."

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS
_DEFAULT_LADDER: Final = (
    Rung(at=20, action=Action.SLOW, delay_ms=250, terms_ms=(60_000,)),
    Rung(at=40, action=Action.THROTTLE, percent=25, terms_ms=(300_000,)),
    Rung(at=60, action=Action.QUARANTINE, terms_ms=(900_000,)),
    Rung(
        at=80,
        action=Action.BAN,
        terms_ms=(120_000, 600_000, _HOUR_MS, 12 * _HOUR_MS, 3 * _DAY_MS),
        forgive_ms=7 * _DAY_MS,
    ),
)


def compile_abuse(document: Document, policy: PolicyFile) -> AbusePolicy | None:
    """The section, of a policy with which `abuse_faults` finds nothing wrong; None where there is none."""
    part = policy.abuse
    if part is None:
        return None
    section = lowest(policy.mode, part.mode)
    signals = tuple(
        found
        for place, name, one in _watched(part)
        for found in _signals(policy, _rule(document, place, name, lowest(section, one.mode)), one)
    )
    compiled = AbusePolicy(
        rule=Rule("abuse", document.name, document.span(("abuse",), key=True).line, section),
        half_life_ms=part.score.half_life,
        by_code={},
        by_status=(),
        ladder=tuple(map(_rung, part.ladder)) or _DEFAULT_LADDER,
        exempt_ips=part.exempt.ips,
        exempt_keys=frozenset(part.exempt.keys),
        max_banned_percent=part.max_banned,
    )
    return with_signals(compiled, signals)


def with_signals(policy: AbusePolicy, signals: tuple[tuple[Signal, frozenset[str]], ...]) -> AbusePolicy:
    """The same, watching for these: each signal with the codes that it is on. Those that are off find nothing."""
    meant = [(signal, codes) for signal, codes in signals if signal.rule.mode is not Mode.OFF]
    found = {code for _, codes in meant for code in codes}
    by_code = {code: tuple(signal for signal, codes in meant if code in codes) for code in sorted(found)}
    return structs.replace(
        policy,
        by_code=by_code,
        by_status=((), *(by_code.get(code, ()) for code in OUTCOMES)),
        tries=len({signal.rule.mode for signal, _ in meant}) > 1,
        signals=signals,
        fields=frozenset(signal.field for signal, _ in meant if signal.field is not None),
        heeds_refusals=any(
            signal.per is not SubjectKind.IP and any(code.startswith(_BEFORE_THE_STORE) for code in codes)
            for signal, codes in meant
        ),
    )


def codes_of(policy: PolicyFile) -> tuple[str, ...]:
    """Every code that a request to this service can end with."""
    reasons = (row.code for row in TABLE if row.code != "limit.*")
    return (*reasons, *(f"limit.{name}" for name in policy.limits.named), *OUTCOMES)


def crowd_codes(policy: PolicyFile) -> frozenset[str]:
    """Those of limits that count neither keys nor accounts, so that many share them or nobody is proved yet."""
    limits = policy.limits.named.items()
    return frozenset(f"limit.{name}" for name, part in limits if not {"key", "account"} & set(part.per))


def meant(on: str, per: str, policy: PolicyFile) -> frozenset[str]:
    """The codes that a signal on `on` counts. No key or account answers for a limit that does not count it."""
    found = matches(on, codes_of(policy))
    return found if per == "ip" else found - crowd_codes(policy)


def matches(on: str, codes: tuple[str, ...]) -> frozenset[str]:
    """Those of the codes that an `on` means."""
    pattern = re.compile(".*".join(map(re.escape, on.split("*"))))
    return frozenset(code for code in codes if pattern.fullmatch(code))


def _watched(part: AbusePart) -> Iterator[tuple[Path, str, SignalPart]]:
    """Every signal, and where this file speaks of it."""
    shipped = shipped_signals()
    yield from ((("abuse", "use", position), name, shipped[name]) for position, name in enumerate(part.use))
    yield from ((("abuse", "signals", name), name, one) for name, one in part.signals.items())


def _rule(document: Document, place: Path, name: str, mode: Mode) -> Rule:
    return Rule(f"abuse.{name}", *document.place(place), mode)


def _signals(policy: PolicyFile, rule: Rule, part: SignalPart) -> Iterator[tuple[Signal, frozenset[str]]]:
    """The signal with the codes that it is on; before it its counterpart, where it has a ratio to one."""
    signal = Signal(
        name=rule.name.removeprefix("abuse."),
        rule=rule,
        per=SubjectKind(part.per),
        points=part.points,
        over_ms=part.over or 0,
        at_least=part.at_least,
        distinct=None if part.distinct is None else Distinct(part.distinct),
        routes=_routes(policy, part),
        slower_than_ms=part.slower_than or 0,
    )
    if part.ratio is not None:
        to = part.ratio.to
        field = None if to.response_header is None else to.response_header.encode()
        signal = structs.replace(signal, ratio=part.ratio.above, field=field)
        counterpart = structs.replace(signal, is_counterpart=True, routes=_routes(policy, to), slower_than_ms=0)
        yield counterpart, meant(to.on or _ANSWERS, part.per, policy)
    yield signal, meant(part.on, part.per, policy)


def _routes(policy: PolicyFile, part: SignalPart | CounterpartPart) -> frozenset[str] | None:
    """The routes that it is kept to, None if to none."""
    if not part.routes and part.of is None:
        return None
    return frozenset(key for key, route in policy.routes.items() if _is_about(part, key, route))


def _is_about(part: SignalPart | CounterpartPart, key: str, route: RoutePart) -> bool:
    if part.routes and not {key, route.group} & set(part.routes):
        return False
    return part.of is None or _kind(key, route) in part.of


def _kind(key: str, route: RoutePart) -> str | None:
    if route.priority == "critical":
        return "cancels"
    if route_reads(key, route):
        return "reads"
    return None if route.auth == "none" else "orders"


def _rung(part: RungPart) -> Rung:
    return Rung(
        at=part.at,
        action=Action(part.action),
        delay_ms=part.delay or 0,
        percent=part.to or 100,
        terms_ms=part.for_ or (60_000,),
        forgive_ms=part.forgive or 0,
    )
