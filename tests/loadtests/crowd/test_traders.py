"""Traders, without Locust around them."""

import base64
import hmac
import time
from pathlib import Path
from unittest import mock

import msgspec
import pytest

from loadtests.crowd.shapes import Stage
from loadtests.crowd.tally import Tally
from tests.loadtests.locustfile import Answer, imported, user


def test_a_request_is_signed_with_the_key_of_its_trader_for_the_authority_that_it_is_sent_to() -> None:
    with user("steady", "OrdinaryTrader") as (trader, client, _):
        trader.order()
        (sent,) = client.sent
    base = "\n".join(
        (
            "guard-v1",
            trader.key.id,
            sent.fields["Guard-Timestamp"],
            "",
            sent.fields["Guard-Nonce"],
            "POST",
            "127.0.0.1:8080",
            "/v1/orders",
            sent.fields["Content-Digest"],
        )
    )
    digest = hmac.digest(trader.key.secret.encode(), base.encode(), "sha256")
    assert sent.fields["Guard-Signature"] == base64.b64encode(digest).decode()
    assert abs(int(sent.fields["Guard-Timestamp"]) - time.time() * 1000) < 5_000


def test_no_two_users_of_a_process_have_a_key_in_common() -> None:
    with (
        user("steady", "OrdinaryTrader") as (one, _, _),
        user("steady", "OrdinaryTrader") as (other, _, _),
    ):
        assert one.key.id != other.key.id


def test_an_unexpected_answer_is_a_failure_that_says_what_was_expected() -> None:
    limited = Answer(429, guard_reason="limit.key", guard_sent="no")
    with user("steady", "OrdinaryTrader", lambda _: limited) as (trader, _, tally):
        trader.order()
    assert limited.failed == "429 limit.key, expected 200"
    assert tally.names["order"].answers == {"429 limit.key": 1}
    assert tally.admitted == {}


def test_signing_is_not_in_the_time_that_is_taken() -> None:
    """A tenth of a second of signing, and a request that takes none."""
    traders = imported("crowd.traders")
    slow = traders.signed

    def signing(*what: object, **how: object) -> object:
        end = time.monotonic() + 0.1
        while time.monotonic() < end:
            pass
        return slow(*what, **how)

    with user("steady", "OrdinaryTrader") as (trader, _, tally), mock.patch.object(traders, "signed", signing):
        trader.read()
    assert max(tally.names["read"].latencies_us) < 100_000


def test_what_was_offered_is_told_at_the_end() -> None:
    with user("steady", "OrdinaryTrader") as (trader, _, tally):
        trader.read()
        assert 0 < trader.wait_time() <= 0.1
        trader.on_stop()
    assert (tally.offered, tally.begun) == (1, 1)


def test_an_idle_user_asks_nothing_and_owes_nothing() -> None:
    with user("steady", "OrdinaryTrader") as (trader, client, tally):
        trader.idle()
        assert trader.wait_time() == 0.1
        trader.read()
        assert trader.wait_time() <= 0.2
        trader.on_stop()
    assert len(client.sent) == tally.begun == tally.offered == 1


@pytest.mark.parametrize(
    ("elapsed_s", "wanted"), [(0.0, (2, 20.0)), (4.999, (2, 20.0)), (5.0, (20, 20.0)), (9.0, None)]
)
def test_the_shape_is_the_plan_s(elapsed_s: float, wanted: tuple[int, float] | None) -> None:
    traders = imported("crowd.traders")
    stages = (Stage("before", 5_000, 2), Stage("spike", 9_000, 20))
    shape = traders.PlannedShape()
    with (
        mock.patch.object(traders, "PLAN", msgspec.structs.replace(traders.PLAN, stages=stages)),
        mock.patch.object(shape, "get_run_time", return_value=elapsed_s),
    ):
        assert shape.tick() == wanted


def test_users_know_the_stage_of_the_moment() -> None:
    traders = imported("crowd.traders")
    stages = (Stage("alone", 5_000, 2), Stage("beside", 9_000, 2))
    with mock.patch.object(traders, "PLAN", msgspec.structs.replace(traders.PLAN, stages=stages)):
        traders._begin()
        assert traders.stage_name() == "alone"
        for since_s, name in ((6, "beside"), (60, "beside")):
            with mock.patch.object(traders, "_began_ns", [time.monotonic_ns() - since_s * 1_000_000_000]):
                assert traders.stage_name() == name


def test_a_process_writes_what_it_saw_with_the_errors_of_our_own_code(tmp_path: Path) -> None:
    traders = imported("crowd.traders")
    with (
        mock.patch.object(traders, "PLAN", msgspec.structs.replace(traders.PLAN, seen=str(tmp_path))),
        mock.patch.object(traders, "TALLY", Tally()),
    ):
        traders._strained(environment=None, cpu_usage=97.0)
        traders._user_failed(user_instance=3, exception=KeyError("orders"), tb=None)
        traders._write_what_was_seen(environment=None)
    (file,) = tmp_path.iterdir()
    written = msgspec.json.decode(file.read_bytes(), type=Tally)
    assert (written.errors, written.strained) == (["int: KeyError: 'orders'"], 1)


def test_a_worker_has_its_index_and_one_without_workers_is_the_first() -> None:
    traders = imported("crowd.traders")
    assert traders.worker_index(mock.Mock(worker_index=3)) == 3
    assert traders.worker_index(None) == 0
