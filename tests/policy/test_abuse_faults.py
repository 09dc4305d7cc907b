"""What is refused of the abuse section, and why."""

import pytest

from tests.policy_text import codes, policy, told

_LIMIT = "limits:\n  key: {per: [key], rate: 5/s, except: [cancels]}"
_ROUTES = (
    "routes:\n  GET /v1/time: {auth: none}\n  GET /v1/orders: {scope: read}\n"
    "  POST /v1/orders: {scope: trade, group: orders}\n"
    "  DELETE /v1/orders/{id}: {scope: trade, group: cancels, priority: critical}\n"
)


def _section(*lines: str) -> str:
    return "abuse:\n" + "\n".join(f"  {line}" for line in (lines or ("mode: enforce",)))


def _signals(*lines: str) -> str:
    return _section("signals:", *(f"  {line}" for line in lines))


@pytest.mark.parametrize("on", ["auth.replayed", "auth.*", "'*'", "route.unknown", "abuse.ban", "auth.revoked_key"])
@pytest.mark.parametrize("per", ["key", "account"])
def test_what_a_stranger_can_cause_never_counts_against_a_key_or_an_account(on: str, per: str) -> None:
    text = policy(_LIMIT, _signals(f"a: {{on: {on}, points: 5, per: {per}}}"), routes=_ROUTES)
    assert codes(text) == ["P402"]
    assert codes(text.replace(f"per: {per}}}", "per: ip}")) == []


@pytest.mark.parametrize("on", ["authz.scope", "limit.key", "outcome.4xx", "upstream.timeout"])
def test_what_only_a_holder_can_cause_may_count_against_the_key(on: str) -> None:
    assert codes(policy(_LIMIT, _signals(f"a: {{on: {on}, points: 5, per: key}}"), routes=_ROUTES)) == []


_CROWDS = (
    "limits:\n  ip: {per: [ip], rate: 5/s}\n  all: {per: [service], rate: 5/s}\n"
    "  route: {per: [ip, route], rate: 5/s}\n"
    "  key: {per: [ip, key], rate: 5/s, except: [cancels]}\n  mine: {per: [account], rate: 5/s, except: [cancels]}"
)


@pytest.mark.parametrize("on", ["limit.ip", "limit.all", "limit.route", "limit.a*", "limit.i*"])
@pytest.mark.parametrize("per", ["key", "account"])
def test_a_limit_that_others_can_exhaust_never_counts_against_a_key_or_an_account(on: str, per: str) -> None:
    text = policy(_CROWDS, _signals(f"a: {{on: {on}, points: 5, per: {per}}}"), routes=_ROUTES)
    assert [line for code, line, _ in told(text) if code == "P402"] == [12]
    assert "P402" not in codes(text.replace(f"per: {per}}}", "per: ip}"))


@pytest.mark.parametrize("on", ["limit.key", "limit.mine", "limit.*"])
def test_a_limit_of_keys_or_accounts_may_count_against_one_and_a_pattern_means_these(on: str) -> None:
    text = policy(_CROWDS, _signals(f"a: {{on: {on}, points: 5, per: key}}"), routes=_ROUTES)
    assert "P402" not in codes(text)


def test_a_ratio_of_a_key_is_to_nothing_that_others_can_cause() -> None:
    ratio = "over: 1m, at_least: 9, ratio: {above: 5:1, to: {on: limit.all}}"
    text = policy(_CROWDS, _signals(f"a: {{on: outcome.*, points: 5, per: key, {ratio}}}"), routes=_ROUTES)
    assert "P402" in codes(text)
    assert "P402" not in codes(text.replace("limit.all", "limit.*"))


def test_a_signal_on_what_never_happens_is_refused_with_what_was_meant() -> None:
    [(code, _, message)] = told(policy(_signals("a: {on: auth.replay, points: 5, per: ip}")))
    assert (code, message) == ("P215", "nothing ever ends with `auth.replay`")
    assert codes(policy(_signals("a: {on: limit.nobody, points: 5, per: ip}"))) == ["P215"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("use: [forgeries]",), "no signal `forgeries` is shared here, or comes with guard"),
        (("use: [forgery, forgery]",), "`forgery` is there twice"),
        (
            ("use: [forgery]", "signals:", "  forgery: {on: auth.replayed, points: 1, per: ip}"),
            "`forgery` is there twice",
        ),
    ],
)
def test_a_shipped_signal_is_named_once_and_rightly(lines: tuple[str, ...], message: str) -> None:
    assert told(policy(_section(*lines))) == [("P216", told(policy(_section(*lines)))[0][1], message)]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ("on: auth.replayed, points: 5, per: ip, at_least: 2", "P105"),
        ("on: auth.replayed, points: 5, per: ip, distinct: key, at_least: 2", "P105"),
        ("on: auth.replayed, points: 5, per: ip, distinct: key, over: 1m", "P107"),
        ("on: auth.replayed, points: 5, per: ip, distinct: key, over: 1m, at_least: 101", "P107"),
        ("on: auth.replayed, points: 5, per: ip, at_least: 2, over: 2d", "P107"),
        ("on: auth.replayed, points: 5, per: ip, at_least: 2, over: 10ms", "P107"),
        ("on: auth.replayed, points: 5, per: ip, slower_than: 1s", "P110"),
        ("on: auth.replayed, points: 5, per: ip, routes: [nowhere]", "P201"),
        ("on: auth.replayed, points: 0, per: ip", "P107"),
        ("on: auth.replayed, points: 5, per: route", "P102"),
        ("on: auth.replayed, points: 5, per: ip, at_leest: 5", "P101"),
    ],
)
def test_a_signal_that_cannot_be_is_refused(fields: str, code: str) -> None:
    assert codes(policy(_signals(f"a: {{{fields}}}"))) == [code]


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        ("over: 1m, ratio: {above: 5:1, to: {on: outcome.2xx}}", "P105", "of few events no ratio says anything"),
        ("ratio: {above: 5:1, to: {on: outcome.2xx}}", "P105", "of few events no ratio says anything"),
        ("over: 1m, at_least: 9, ratio: {above: 5:1, to: {}}", "P105", "a ratio is to something"),
        ("over: 1m, at_least: 9, ratio: {above: 5:1}", "P105", "the field `to` is missing"),
        (
            "over: 1m, at_least: 9, ratio: {above: 5:1, to: {on: outcome.2xx, response_header: X}}",
            "P110",
            "`on` and `response_header` exclude one another",
        ),
        (
            "over: 1m, at_least: 9, distinct: route, ratio: {above: 5:1, to: {on: outcome.2xx}}",
            "P110",
            "`ratio` is about events, and not about different values",
        ),
        (
            "over: 1m, at_least: 9, ratio: {above: 5:1, to: {on: outcome.9xx}}",
            "P215",
            "nothing ever ends with `outcome.9xx`",
        ),
        (
            "over: 1m, at_least: 9, ratio: {above: 5:1, to: {on: outcome.2xx, routes: [order]}}",
            "P201",
            "no route or group `order`",
        ),
        ("over: 1m, at_least: 9, ratio: {above: 5, to: {on: outcome.2xx}}", "P104", "the number `5` is not a ratio"),
        ("over: 1m, at_least: 9, ratio: {above: '0:1', to: {on: outcome.2xx}}", "P104", "`0:1` is not a ratio"),
        (
            "over: 1m, at_least: 9, ratio: {above: 5:1, to: {response_headers: X}}",
            "P101",
            "unknown field `response_headers`",
        ),
    ],
)
def test_a_ratio_that_says_nothing_is_refused(fields: str, code: str, message: str) -> None:
    text = policy(_LIMIT, _signals(f"a: {{on: outcome.*, points: 5, per: key, {fields}}}"), routes=_ROUTES)
    assert [(found, said) for found, _, said in told(text)][:1] == [(code, message)]


def test_only_answers_have_fields() -> None:
    ratio = "over: 1m, at_least: 9, ratio: {above: 5:1, to: {response_header: X}}"
    text = policy(_LIMIT, _signals(f"a: {{on: limit.*, points: 5, per: key, {ratio}}}"), routes=_ROUTES)
    assert [message for _, _, message in told(text)] == [
        "only answers of the backend have fields, and `on` matches more"
    ]


@pytest.mark.parametrize(
    ("rungs", "found"),
    [
        (("{at: 20, action: slow, delay: 1s}", "{at: 20, action: ban, for: 1h}"), ["P107"]),
        (("{at: 20, action: slow}",), ["P105"]),
        (("{at: 20, action: throttle, for: 1m}",), ["P105"]),
        (("{at: 20, action: ban}",), ["P105"]),
        (("{at: 20, action: ban, for: 1h, delay: 1s}",), ["P110"]),
        (("{at: 20, action: quarantine, for: [1h, 2h]}",), ["P110"]),
        (("{at: 20, action: slow, delay: 3s}",), ["P107"]),
        (("{at: 20, action: ban, for: 31d}",), ["P107"]),
        (("{at: 20, action: ban, for: 3}",), ["P104"]),
        (("{at: 20, action: exile, for: 3d}",), ["P102"]),
        (("{at: 20, action: ban, for: [1h, 2h], forgive: 7d}",), []),
    ],
)
def test_a_rung_that_leads_nowhere_is_refused(rungs: tuple[str, ...], found: list[str]) -> None:
    assert codes(policy(_section("ladder:", *(f"  - {rung}" for rung in rungs)))) == found


def test_a_half_life_has_its_bounds() -> None:
    assert codes(policy(_section("score: {half_life: 8d}"))) == ["P107"]
