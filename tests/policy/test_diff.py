"""What of a change lets more through, by the words of the policy, each change once."""

import msgspec
import pytest

from guard.policy.diff import Change, differences, scheme_differences, summary
from guard.policy.directions import Kind
from guard.policy.load import Loaded, load_text
from tests.build import limit, policies, route, service

BEFORE = """\
version: 1
service: exchange
upstream: {url: http://127.0.0.1:8081, breaker: {failures: 50%, min: 20, window: 10s, open: 5s}}
client_ip: {trust: [10.0.0.0/8], deny: [192.0.2.0/24]}
auth: {scheme: guard-v1, window: 5s, algorithms: [hmac-sha256, ed25519]}
dual_control: {scopes: [trade]}
limits:
  key: {per: [key], rate: 20/s, burst: 40}
  ip: {per: [ip], rate: 50/s}
routes:
  GET /v1/time: {auth: none}
  GET /v1/{rest...}: {scope: read}
  POST /v1/orders: {scope: trade, group: orders}
"""


def compared(*edits: tuple[str, str], before: str = BEFORE) -> list[str]:
    after = before
    for old, new in edits:
        assert old in after
        after = after.replace(old, new)
    old_set, new_set = load_text({"a.yaml": before}), load_text({"a.yaml": after})
    assert isinstance(old_set, Loaded)
    assert isinstance(new_set, Loaded), new_set
    return [
        f"{one.kind} {one.path}: {one.old or '-'} → {one.new or '-'} @{one.line}"
        for one in differences(old_set.policies, new_set.policies)
    ]


def test_where_a_resource_stands_is_told_in_words() -> None:
    before = BEFORE + "resources: {symbol: [{query: symbol}, {field: /symbol}]}\n"
    edit = ("POST /v1/orders: {scope: trade,", "POST /v1/orders: {scope: trade, resources: {symbol: any},")
    assert compared(edit, before=before) == [
        "WEAKENS exchange POST /v1/orders resources: symbol: query symbol, field /symbol → symbol: any @13"
    ]


TIERED = BEFORE + "tiers:\n  gold: {key: {rate: 40/s, burst: 80}}\n"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("burst: 80", "burst: 90", ["WEAKENS exchange tiers.gold limits.key capacity: 80 → 90 @8"]),
        ("rate: 40/s", "rate: 30/s", ["TIGHTENS exchange tiers.gold limits.key rate: 40/1s → 30/1s @8"]),
        (
            "gold:",
            "silver:",
            ["WEAKENS exchange tiers.gold: gold → - @11"],
        ),
        ("dual_control:", "# a line more\ndual_control:", []),
    ],
)
def test_the_limits_of_a_tier_are_compared_one_by_one(old: str, new: str, expected: list[str]) -> None:
    assert sorted(set(compared((old, new), before=TIERED)))[: len(expected)] == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("rate: 20/s", "rate: 50/s", "WEAKENS exchange limits.key rate: 20/1s → 50/1s @8"),
        ("rate: 20/s", "rate: 600/m", "TIGHTENS exchange limits.key rate: 20/1s → 600/1m @8"),
        ("burst: 40", "burst: 80", "WEAKENS exchange limits.key capacity: 40 → 80 @8"),
        ("scope: read}", "scope: trade}", "WEAKENS exchange GET /v1/{rest...} scope: read → trade @12"),
        ("orders}", "orders, reads: true}", "WEAKENS exchange POST /v1/orders reads: no → yes @13"),
        (
            "window: 5s",
            "window: 3s",
            "TIGHTENS exchange GET /v1/{rest...} auth windows.guard-v1 past_ms: 5000 → 3000 @5",
        ),
        ("[10.0.0.0/8]", "[10.0.0.0/9]", "WEAKENS exchange client_ip trust: 10.0.0.0/8 → 10.0.0.0/9 @4"),
        (", deny: [192.0.2.0/24]", "", "WEAKENS exchange client_ip deny: 192.0.2.0/24 → none @4"),
        (":8081", ":8082", "WEAKENS exchange upstream urls: http://127.0.0.1:8081 → http://127.0.0.1:8082 @2"),
        (", ed25519]", "]", "TIGHTENS exchange POST /v1/orders auth algorithms: ed25519, hmac-sha256 → hmac-sha256 @5"),
        (
            "  GET /v1/time: {auth: none}\n",
            "",
            "TIGHTENS exchange GET /v1/time: GET /v1/time → - @11",
        ),
        (
            "  GET /v1/time: {auth: none}\n",
            "  GET /v1/time: {scope: read}\n",
            "TIGHTENS exchange GET /v1/time auth: none → auth by guard-v1 @11",
        ),
        ("  ip: {per: [ip], rate: 50/s}\n", "", "WEAKENS exchange POST /v1/orders limits.ip: ip → - @9"),
        ("dual_control: {scopes: [trade]}\n", "", "WEAKENS dual_control: trade → none @0"),
        ("{scopes: [trade]}", "{scopes: [trade], changes: weakens}", "TIGHTENS changes_by_two: no → yes @0"),
        ("group: orders", "group: trades", "NEUTRAL exchange POST /v1/orders group: orders → trades @13"),
        (
            ", breaker: {failures: 50%, min: 20, window: 10s, open: 5s}",
            "",
            "WEAKENS exchange upstream breaker: there → none @2",
        ),
        ("service: exchange", "service: market", "RENAMES exchange: exchange → market @2"),
        ("  ip: {", "  address: {", "RENAMES exchange GET /v1/time limits.ip: ip → address @9"),
    ],
)
def test_a_change_is_told_by_what_it_does_and_where_it_stands(old: str, new: str, expected: str) -> None:
    assert expected in compared((old, new))


def test_a_window_is_compared_with_that_of_the_same_scheme_wherever_it_stands() -> None:
    partner = "scheme: partner\nextends: guard-v1\ntime: {past_ms: 60000}\n"
    before = BEFORE.replace("scheme: guard-v1, window: 5s, ", "schemes: [partner, guard-v1], ")
    found = []
    for auth in ("schemes: [guard-v1], window: 60s, ", "schemes: [guard-v1, partner], "):
        after = before.replace("schemes: [partner, guard-v1], ", auth)
        old, new = (load_text({"a.yaml": text, "partner.scheme.yaml": partner}) for text in (before, after))
        assert isinstance(old, Loaded)
        assert isinstance(new, Loaded), new
        found.append({f"{one.kind} {one.path}" for one in differences(old.policies, new.policies)})
    widened, moved = found
    place = "exchange POST /v1/orders auth"
    assert {f"WEAKENS {place} windows.guard-v1 past_ms", f"TIGHTENS {place} schemes"} <= widened
    assert {each.split()[0] for each in moved} == {"NEUTRAL"}


def test_a_section_that_comes_stands_where_it_is_written() -> None:
    edit = ("group: orders}\n", "group: orders}\nabuse: {use: [forgery]}\n")
    assert compared(edit) == ["TIGHTENS exchange abuse: none → there @14"]


def test_a_new_route_is_a_way_in_and_the_worst_comes_first() -> None:
    found = compared(("group: orders}", "group: o2}\n  GET /v2/x: {scope: read}"), ("window: 5s", "window: 4s"))
    assert found[0] == "WEAKENS exchange GET /v2/x: - → GET /v2/x @14"
    assert [line.split()[0] for line in found] == ["WEAKENS", "TIGHTENS", "TIGHTENS", "NEUTRAL"]


def test_what_is_written_otherwise_and_does_the_same_is_no_change() -> None:
    assert compared(("rate: 20/s", "rate: 1200/m"), ("version: 1\n", "# a comment\nversion: 1\n")) == []


def test_a_limit_that_many_routes_have_is_told_once() -> None:
    assert compared(("burst: 40", "burst: 80")) == ["WEAKENS exchange limits.key capacity: 40 → 80 @8"]


def test_a_field_that_nobody_has_classified_weakens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guard.policy.diff.TABLE", {})
    per_ip = msgspec.structs.replace(limit(), exposed=False)
    old, new = (policies(service(route(limits_principal=(one,)))) for one in (limit(), per_ip))
    assert {change.kind for change in differences(old, new)} == {"WEAKENS"}


def test_a_scheme_that_was_written_anew_weakens() -> None:
    [change] = scheme_differences(["venue"])
    assert (change.kind, change.path) == ("WEAKENS", "scheme venue")


def test_the_summary_counts_each_kind() -> None:
    changes = [
        Change(kind=Kind(k), path="", old="", new="", file="", line=0) for k in ("WEAKENS", "WEAKENS", "NEUTRAL")
    ]
    assert summary(changes) == "weakens 2, tightens 0, renames 0, neutral 1"
