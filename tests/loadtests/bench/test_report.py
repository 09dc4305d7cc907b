"""Medians and tables, the figures worked out by hand."""

from pathlib import Path

import pytest

from loadtests.bench import report
from loadtests.bench.gateway import Spent
from loadtests.bench.load import Load, Sent
from loadtests.bench.signed import Kind


def _figures(cpu: float) -> dict[str, float]:
    return {"rps": 1000.0, "cpu": cpu, "redis": 0.0, "p50": 1.0, "p99": 2.0}


def _load(cpu_us: float) -> Load:
    sent = Sent(rps=1000.0, answered=1_000_000, refused=0, p50_ms=1.0, p99_ms=2.0)
    return Load(sent, Spent(cpu_us - 10.0, 10.0))


def test_a_table_takes_the_place_of_the_older_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = tmp_path / "performance.md"
    document.write_text("a\n<!-- one -->\nold\n<!-- end -->\nb\n<!-- two -->\nstays\n<!-- end -->\n")
    report.publish("one", "new\n", document)
    assert document.read_text() == "a\n<!-- one -->\nnew\n<!-- end -->\nb\n<!-- two -->\nstays\n<!-- end -->\n"
    assert capsys.readouterr().out == "new\n\n"
    with pytest.raises(ValueError, match="no place for 'three'"):
        report.publish("three", "new\n", document)


def test_the_ratio_is_taken_within_a_round() -> None:
    """1.1, 1.2 and 1.5 in the three rounds, though the medians of both would give 33 / 25 = 1.32."""
    rounds = [
        {"nginx-lua": _figures(lua), "guard": _figures(guard)}
        for lua, guard in ((20.0, 22.0), (25.0, 30.0), (30.0, 45.0))
    ]
    assert report.ratios(rounds, "guard") == [1.1, 1.2, 1.5]
    assert report.comparison(rounds).splitlines() == [
        "| gateway | requests/s | CPU µs/request | min-max | Redis µs | p50 ms | p99 ms | x nginx-lua |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| nginx-lua | 1000 | 25.0 | 20-30 | 0.0 | 1.00 | 2.00 | 1.00 |",
        "| guard | 1000 | 30.0 | 22-45 | 0.0 | 1.00 | 2.00 | 1.20 |",
    ]


def test_without_nginx_lua_there_is_no_ratio() -> None:
    assert report.comparison([{"guard": _figures(22.0)}]).splitlines()[2].endswith("| - |")


def test_a_refusal_is_told_beside_an_accepted_request_and_its_goal() -> None:
    rounds = [
        {Kind.ACCEPTED: _load(100.0), Kind.FORGED: _load(cpu), Kind.EXHAUSTED_KEY: _load(70.0)} for cpu in (55.0, 65.0)
    ]
    assert report.refusals(rounds).splitlines()[2:] == [
        "| accepted | 1000 | 100.0 | 100-100 | 10.0 | 1.00 |  |",
        "| forged signature | 1000 | 60.0 | 55-65 | 10.0 | 0.60 | 0.6 |",
        "| exhausted key | 1000 | 70.0 | 70-70 | 10.0 | 0.70 |  |",
    ]


def test_a_part_costs_what_the_whole_costs_less_without_it() -> None:
    rounds = [{"whole": _load(50.0), "without log": _load(cpu)} for cpu in (40.0, 42.0, 47.0)]
    assert report.parts(rounds, "whole").splitlines()[2:] == [
        "| whole | 50.0 | 50-50 |  |",
        "| without log | 42.0 | 40-47 | 8.0 |",
    ]


def test_what_state_in_redis_costs_is_compared_within_a_round_gateway_and_redis_apart() -> None:
    rounds = [
        {"guard": {"cpu": 60.0, "redis": 10.0}, "nginx-lua-redis": {"cpu": 80.0, "redis": 20.0}},
        {"guard": {"cpu": 90.0, "redis": 30.0}, "nginx-lua-redis": {"cpu": 100.0, "redis": 40.0}},
        {"guard": {"cpu": 50.0, "redis": 30.0}, "nginx-lua-redis": {"cpu": 100.0, "redis": 30.0}},
    ]
    assert report.against_redis(rounds, "guard") == (0.75, 0.75)
