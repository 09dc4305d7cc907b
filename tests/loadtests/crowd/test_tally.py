"""What the answers come to."""

import msgspec
import pytest

from loadtests.crowd.intents import Intent
from loadtests.crowd.tally import ERRORS_MAX, Exchange, Name, Tally, merged

ORDER = Intent(name="order", route="POST /v1/orders", legit=True)
FLOOD = Intent(name="flood", route="POST /v1/orders", expects=("200", "429 limit.key"))
COPY = Intent(name="copy", route="POST /v1/orders", expects=("200", "401 auth.replayed"), once=True)


def exchange(intent: Intent, status: int, reason: str | None = None, **how: object) -> Exchange:
    plain: dict[str, object] = {"key_id": "k1", "nonce": "n1", "sent_ns": 1_000_000, "answered_ns": 3_345_678}
    return Exchange(intent=intent, status=status, reason=reason, **{**plain, **how})  # type: ignore[arg-type]  # by name


def test_a_denial_that_is_expected_is_a_success_and_no_other() -> None:
    tally = Tally()
    assert tally.record(exchange(FLOOD, 200))
    assert tally.record(exchange(FLOOD, 429, "limit.key"))
    assert not tally.record(exchange(FLOOD, 429, "limit.ip"))
    assert not tally.record(exchange(FLOOD, 0))
    flood = tally.names["flood"]
    assert (flood.asked, flood.unexpected, flood.denied) == (4, 2, 3)
    assert flood.answers == {"200": 1, "429 limit.key": 1, "429 limit.ip": 1, "0": 1}


@pytest.mark.parametrize(
    ("status", "reason", "sent", "admitted"),
    [
        (200, None, None, True),
        (404, None, None, True),  # the backend's own no
        (401, "auth.invalid", "no", False),
        (504, "upstream.timeout", "unknown", True),
        (502, "upstream.unreachable", "no", False),
        (0, None, None, False),
    ],
)
def test_admitted_is_what_the_gateway_let_through(
    status: int, reason: str | None, sent: str | None, *, admitted: bool
) -> None:
    assert exchange(ORDER, status, reason, sent=sent).admitted is admitted


def test_times_of_what_was_admitted_are_kept_by_key_and_route() -> None:
    tally = Tally()
    tally.record(exchange(ORDER, 200))
    tally.record(exchange(FLOOD, 200, sent_ns=5, answered_ns=6))
    tally.record(exchange(FLOOD, 429, "limit.key"))
    assert tally.admitted == {"k1": {"POST /v1/orders": [(1_000_000, 3_345_678), (5, 6)]}}


def test_how_often_a_request_was_served_is_counted_by_its_nonce_over_all_workers() -> None:
    one, other = Tally(), Tally()
    one.record(exchange(COPY, 200))
    one.record(exchange(COPY, 401, "auth.replayed"))
    other.record(exchange(COPY, 200))
    other.record(exchange(COPY, 401, "auth.replayed", nonce="n2"))
    assert merged([one, other]).once == {"n1": 2, "n2": 0}


def test_workers_are_added_up_also_after_a_journey_as_json() -> None:
    one, other = Tally(offered=3, begun=2, errors=["a"]), Tally(offered=5, begun=4, errors=["b"], strained=1)
    one.record(exchange(ORDER, 200))
    other.record(exchange(ORDER, 200))
    other.record(exchange(ORDER, 429, "limit.key"))
    total = merged(msgspec.json.decode(msgspec.json.encode(each), type=Tally) for each in (one, other))
    assert (total.offered, total.begun, total.errors) == (8, 6, ["a", "b"])
    assert total.strained == 1
    assert total.names["order"] == Name(
        asked=3,
        unexpected=1,
        legit=True,
        denied=1,
        answers={"200": 2, "429 limit.key": 1},
        latencies_us={2340: 3},
    )
    assert [tuple(times) for times in total.admitted["k1"]["POST /v1/orders"]] == [(1_000_000, 3_345_678)] * 2


def test_three_digits_of_a_latency_are_kept() -> None:
    tally = Tally()
    for answered_ns in (1_000_999_999, 1_000_000, 1_012_345_678):
        tally.record(exchange(ORDER, 200, sent_ns=0, answered_ns=answered_ns))
    assert tally.names["order"].latencies_us == {1_000_000: 1, 1_000: 1, 1_010_000: 1}


@pytest.mark.parametrize(("percent", "found"), [(50, 2), (51, 3), (75, 3), (99, 900), (100, 900)])
def test_a_percentile_is_what_that_share_did_not_exceed(percent: int, found: int) -> None:
    assert Name(latencies_us={900: 1, 1: 1, 3: 1, 2: 1}).percentile_us(percent) == found


def test_of_nothing_there_is_no_latency() -> None:
    assert Name().percentile_us(99) == 0


def test_errors_are_bounded() -> None:
    tally = Tally()
    for number in range(ERRORS_MAX + 5):
        tally.fail(str(number))
    assert tally.errors == [str(number) for number in range(ERRORS_MAX)]
