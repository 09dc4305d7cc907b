"""What was seen against what must hold."""

import pytest

from loadtests.crowd.slo import NameSlo, SecuritySlo, Slo
from loadtests.crowd.tally import Name, Tally
from loadtests.crowd.verdict import Finding, Verdict, judge

ORDERS = {"order": NameSlo(p95="20ms", fail_ratio="1%", min_rps=10)}


def orders(**how: object) -> Name:
    return Name(**{"asked": 100, "latencies_us": {20_000: 95, 90_000: 5}, **how})  # type: ignore[arg-type]  # by name


def breached(tally: Tally, *, slo: Slo | None = None, over: dict[str, int] | None = None) -> list[str]:
    """What did not hold in a run of ten seconds."""
    verdict = judge(slo or Slo(ORDERS), tally, over=over or {}, duration_s=10, errors=())
    return [f"{each.what} {each.wanted}: {each.found}" for each in verdict.findings if not each.held]


def test_a_run_on_every_bound_holds() -> None:
    tally = Tally(names={"order": orders(unexpected=1)}, offered=100, begun=95)
    assert breached(tally) == []


@pytest.mark.parametrize(
    ("tally", "told"),
    [
        (Tally({"order": orders(latencies_us={20_100: 100})}, offered=1, begun=1), "order: p95 ≤ 20ms: 20.1ms"),
        (Tally({"order": orders(unexpected=2)}, offered=1, begun=1), "order: failed ≤ 1%: 2% (2 of 100)"),
        (Tally({"order": orders(asked=99)}, offered=1, begun=1), "order: requests a second ≥ 10: 9.9"),
        (Tally({"order": orders()}, offered=1000, begun=949), "sent of what was offered ≥ 95%: 94.9% of 1000"),
        (Tally({"order": orders()}), "sent of what was offered ≥ 95%: 0% of 0"),
        (
            Tally({"order": orders()}, once={"a": 2, "b": 3, "c": 1}, offered=1, begun=1),
            "replays accepted ≤ 0: 3",
        ),
        (
            Tally({"order": orders()}, once={"a": 0, "b": 1}, offered=1, begun=1),
            "honest requests denied ≤ 0%: 50% (1 of 2)",
        ),
        (
            Tally({"order": orders(legit=True, denied=1)}, offered=1, begun=1),
            "honest requests denied ≤ 0%: 1% (1 of 100)",
        ),
        (
            Tally({"order": orders(cancels=True, unexpected=1)}, offered=1, begun=1),
            "cancels served ≥ 100%: 99% of 100",
        ),
    ],
)
def test_each_bound_breaks_alone(tally: Tally, told: str) -> None:
    assert breached(tally) == [told]


def test_each_limit_that_was_exceeded_is_named() -> None:
    tally = Tally({"order": orders()}, offered=1, begun=1)
    assert breached(tally, over={"key": 2, "ip": 0}) == ["admitted over a limit ≤ 0: key 2"]
    lenient = Slo(ORDERS, security=SecuritySlo(over_admission=2))
    assert breached(tally, over={"key": 2}, slo=lenient) == []


def test_a_name_that_was_never_asked_has_not_held() -> None:
    assert breached(Tally(offered=1, begun=1)) == [
        "order: p95 ≤ 20ms: nothing was asked",
        "order: failed ≤ 1%: 0% (0 of 0)",
        "order: requests a second ≥ 10: 0.0",
    ]


def test_no_cancel_is_demanded_of_a_scenario_without() -> None:
    verdict = judge(Slo(ORDERS), Tally({"order": orders()}), over={}, duration_s=10, errors=())
    assert {"cancels served", "honest requests denied"} & {each.what for each in verdict.findings} == set()


HELD, BROKEN = Finding("a", "b", "c", held=True), Finding("a", "b", "c", held=False)


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        (Verdict((HELD, HELD)), 0),
        (Verdict((HELD, BROKEN)), 3),
        (Verdict((HELD,), ("Locust has ended",)), 1),
        (Verdict((BROKEN,), ("Locust has ended",)), 1),
    ],
)
def test_errors_come_before_breaches(verdict: Verdict, code: int) -> None:
    assert verdict.exit_code == code


def test_errors_of_the_run_and_of_our_own_code_are_both_told() -> None:
    verdict = judge(Slo({}), Tally(errors=["Trader: KeyError"]), over={}, duration_s=1, errors=("Locust has ended",))
    assert verdict.errors == ("Locust has ended", "Trader: KeyError")
