"""The abuse section: what it compiles to, and what is refused."""

import pytest

from guard.model.abuse import AbusePolicy, Action, Distinct, Ratio, SubjectKind
from guard.model.rules import Mode
from tests.policy_text import policy, service

_LIMIT = "limits:\n  key: {per: [key], rate: 5/s, except: [cancels]}"
_ROUTES = (
    "routes:\n  GET /v1/time: {auth: none}\n  GET /v1/orders: {scope: read}\n"
    "  POST /v1/orders: {scope: trade, group: orders}\n"
    "  DELETE /v1/orders/{id}: {scope: trade, group: cancels, priority: critical}\n"
)


def _abuse(*lines: str, mode: str = "enforce") -> AbusePolicy:
    compiled = service(policy(f"mode: {mode}", _LIMIT, _section(*lines), routes=_ROUTES)).abuse
    assert compiled is not None
    return compiled


def _section(*lines: str) -> str:
    return "abuse:\n" + "\n".join(f"  {line}" for line in (lines or ("mode: enforce",)))


def test_the_example_of_the_plan_is_understood() -> None:
    compiled = _abuse(
        "mode: shadow",
        "score: {half_life: 20m}",
        "signals:",
        "  probing: {on: auth.unknown_key, distinct: key, over: 1m, at_least: 10, points: 40, per: ip}",
        "  ignores-429: {on: limit.*, over: 10s, at_least: 50, points: 15, per: key}",
        "ladder:",
        "  - {at: 20, action: slow, delay: 250ms}",
        "  - {at: 40, action: throttle, to: 25%, for: 5m}",
        "  - {at: 60, action: quarantine, for: 15m}",
        "  - {at: 80, action: ban, for: [2m, 10m], forgive: 7d}",
        "exempt: {ips: [10.0.0.0/8], keys: [gk_watchdog]}",
        "max_banned: 3%",
    )
    [probing] = compiled.by_code["auth.unknown_key"]
    assert (probing.name, probing.per, probing.points) == ("probing", SubjectKind.IP, 40)
    assert (probing.over_ms, probing.at_least, probing.distinct) == (60_000, 10, Distinct.KEY)
    assert str(probing.rule) == "abuse.probing (p0.yaml:11)"
    assert [signal.name for signal in compiled.by_code["limit.key"]] == ["ignores-429"]
    assert [(rung.at, rung.action, rung.delay_ms, rung.percent, rung.terms_ms) for rung in compiled.ladder] == [
        (20, Action.SLOW, 250, 100, (60_000,)),
        (40, Action.THROTTLE, 0, 25, (300_000,)),
        (60, Action.QUARANTINE, 0, 100, (900_000,)),
        (80, Action.BAN, 0, 100, (120_000, 600_000)),
    ]
    assert compiled.ladder[-1].forgive_ms == 7 * 86_400_000
    assert (compiled.half_life_ms, compiled.max_banned_percent) == (1_200_000, 3)
    assert (compiled.exempt_ips, compiled.exempt_keys) == (("10.0.0.0/8",), frozenset({"gk_watchdog"}))
    assert (compiled.rule.mode, probing.rule.mode, compiled.tries) == (Mode.SHADOW, Mode.SHADOW, False)


def test_without_the_section_nothing_is_watched_for() -> None:
    assert service(policy()).abuse is None


def test_without_a_ladder_there_is_one_with_the_terms_that_trading_clients_know() -> None:
    assert _abuse().ladder[-1].terms_ms == (120_000, 600_000, 3_600_000, 43_200_000, 259_200_000)


@pytest.mark.parametrize(
    ("file", "section", "own", "expected"),
    [
        ("enforce", "enforce", "enforce", Mode.ENFORCE),
        ("shadow", "enforce", "enforce", Mode.SHADOW),
        ("enforce", "shadow", "enforce", Mode.SHADOW),
        ("enforce", "enforce", "shadow", Mode.SHADOW),
    ],
)
def test_a_signal_is_meant_as_earnestly_as_the_lowest_of_all_says(
    file: str, section: str, own: str, expected: Mode
) -> None:
    compiled = _abuse(
        f"mode: {section}",
        "signals:",
        f"  a: {{on: auth.replayed, points: 5, per: ip, mode: {own}}}",
        mode=file,
    )
    [found] = compiled.by_code["auth.replayed"]
    assert found.rule.mode is expected


def test_a_signal_that_is_off_is_not_there_and_one_in_shadow_beside_another_is_a_trial() -> None:
    off = _abuse("signals:", "  a: {on: auth.replayed, points: 5, per: ip, mode: off}")
    assert off.by_code == {}
    mixed = _abuse("use: [forgery]", "signals:", "  a: {on: auth.replayed, points: 5, per: ip, mode: shadow}")
    assert mixed.tries


def test_a_pattern_is_resolved_to_every_code_that_it_matches_and_no_other() -> None:
    compiled = _abuse("signals:", "  a: {on: route.*, points: 5, per: ip}", "  b: {on: '*_key', points: 5, per: ip}")
    assert {"route.unknown", "route.method", "auth.unknown_key", "auth.revoked_key"} <= set(compiled.by_code)
    assert not {"auth.replayed", "request.timeout"} & set(compiled.by_code)


def test_a_pattern_means_for_a_key_only_limits_that_count_keys_or_accounts() -> None:
    limits = _LIMIT + "\n  ip: {per: [ip], rate: 5/s}\n  all: {per: [service], rate: 5/s}"
    section = _section("use: [ignoring-429s]", "signals: {loud: {on: limit.*, points: 5, per: ip}}")
    compiled = service(policy(limits, section, routes=_ROUTES)).abuse
    assert compiled is not None
    assert {code: [signal.name for signal in signals] for code, signals in compiled.by_code.items()} == {
        "limit.all": ["loud"],
        "limit.ip": ["loud"],
        "limit.key": ["ignoring-429s", "loud"],
    }


def test_answers_of_the_backend_are_found_by_the_first_digit_of_their_status() -> None:
    compiled = _abuse(
        "signals:", "  a: {on: outcome.5xx, points: 5, per: key}", "  b: {on: outcome.*, points: 1, per: ip}"
    )
    assert [[signal.name for signal in found] for found in compiled.by_status] == [
        [],
        ["b"],
        ["b"],
        ["b"],
        ["b"],
        ["a", "b"],
    ]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("of: cancels", {"DELETE /v1/orders/{id}"}),
        ("of: reads", {"GET /v1/time", "GET /v1/orders"}),
        ("of: orders", {"POST /v1/orders"}),
        ("routes: [orders, cancels]", {"POST /v1/orders", "DELETE /v1/orders/{id}"}),
        ("routes: [orders], of: cancels", set()),
        ("of: [orders, cancels]", {"POST /v1/orders", "DELETE /v1/orders/{id}"}),
    ],
)
def test_a_signal_is_narrowed_to_routes_by_name_group_or_kind(field: str, expected: set[str]) -> None:
    compiled = _abuse("signals:", f"  a: {{on: outcome.*, points: 5, per: key, {field}}}")
    [found] = compiled.by_code["outcome.2xx"]
    assert set(found.routes or ()) == expected


def test_a_ratio_is_two_signals_of_one_name_the_counterpart_before_the_other() -> None:
    compiled = _abuse(
        "signals:",
        "  otr:",
        "    {on: outcome.*, of: [orders, cancels], per: account, over: 10m, at_least: 500, points: 9,",
        "     slower_than: 1s, ratio: {above: 50:1, to: {on: outcome.2xx, of: reads}}}",
    )
    counterpart, events = compiled.by_code["outcome.2xx"]
    assert (counterpart.name, counterpart.is_counterpart, counterpart.over_ms) == ("otr", True, 600_000)
    assert counterpart.routes == frozenset({"GET /v1/time", "GET /v1/orders"})
    assert counterpart.slower_than_ms == 0
    assert (events.ratio, events.is_counterpart, events.at_least) == (Ratio(50, 1), False, 500)
    assert events.routes == frozenset({"POST /v1/orders", "DELETE /v1/orders/{id}"})
    assert [each.is_counterpart for each in compiled.by_code["outcome.4xx"]] == [False]
    assert (counterpart.field, events.field, compiled.fields) == (None, None, frozenset())


def test_a_ratio_to_what_answers_tell_counts_every_answer_that_tells_it() -> None:
    compiled = _abuse(
        "signals:",
        "  otr: {on: outcome.2xx, of: orders, per: account, over: 10m, at_least: 500, points: 9,",
        "        ratio: {above: 50:1, to: {response_header: Venue-Fills}}}",
    )
    [counterpart] = compiled.by_code["outcome.4xx"]
    assert (counterpart.is_counterpart, counterpart.routes, counterpart.field) == (True, None, b"venue-fills")
    assert compiled.by_code["outcome.2xx"][1].field == b"venue-fills"
    assert compiled.fields == {b"venue-fills"}
    assert _abuse("mode: off", "use: [order-to-trade]").fields == frozenset()


@pytest.mark.parametrize(
    ("signal", "heeds"),
    [
        ("{on: authz.ip, points: 5, per: key}", True),
        ("{on: 'authz.*', points: 5, per: account}", True),
        ("{on: authz.ip, points: 5, per: ip}", False),
        ("{on: limit.*, points: 5, per: key}", False),
        ("{on: authz.ip, points: 5, per: key, mode: off}", False),
    ],
)
def test_what_is_refused_before_the_store_is_asked_is_heeded_only_where_it_counts_to_a_key(
    signal: str,
    heeds: bool,  # noqa: FBT001
) -> None:
    assert _abuse("signals:", f"  a: {signal}").heeds_refusals is heeds
