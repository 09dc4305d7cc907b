"""Inside the window, both ends inclusive, and never seen before."""

import msgspec
import pytest

from guard.model.decision import Deny
from guard.model.names import UnixMs
from guard.model.policy import Window
from guard.model.questions import BeforeEpoch, Replayed, Unavailable
from tests.build import NOW, auth, facts, policies, route, service, signed
from tests.line import code, decided


@pytest.mark.parametrize(
    ("age_ms", "expected"),
    [(0, "allow"), (5000, "allow"), (5001, "auth.stale"), (-1000, "allow"), (-1001, "auth.future")],
)
def test_the_window_is_inclusive_at_both_ends(age_ms: int, expected: str) -> None:
    assert code(decided(signed(at=UnixMs(NOW - age_ms)), body=b"")) == expected


def test_what_is_out_of_the_window_is_told_our_time_and_the_skew() -> None:
    denied = decided(signed(at=UnixMs(NOW - 9000)))
    assert isinstance(denied, Deny)
    assert (denied.server_time, denied.skew_ms) == (NOW, 9000)


def test_a_message_that_was_fresh_when_it_came_is_stale_when_its_body_took_too_long() -> None:
    message = signed(at=UnixMs(NOW - 4999))
    assert code(decided(message, body=b"", later=UnixMs(NOW + 1))) == "allow"
    assert code(decided(message, body=b"", later=UnixMs(NOW + 2))) == "auth.stale"


def test_a_late_timestamp_is_judged_when_the_body_brings_it() -> None:
    rules = policies(service(route(auth=auth("binance"), scope=None)))
    old = f"timestamp={NOW - 5001}&signature={'0' * 64}".encode()
    form = ((b"x-mbx-apikey", b"gk_test"), (b"content-type", b"application/x-www-form-urlencoded"))
    assert code(decided(facts(fields=form, body=None), rules=rules, body=old)) == "auth.stale"


def test_the_request_may_narrow_the_window_and_never_widen_it() -> None:
    rules = policies(service(route("GET", auth=auth("binance"), scope=None)))

    def sent(age_ms: int, window_ms: int) -> str:
        query = f"recvWindow={window_ms}&timestamp={NOW - age_ms}&signature={'0' * 64}".encode()
        message = facts("GET", query=query, fields=((b"x-mbx-apikey", b"gk_test"),))
        return code(decided(message, rules=rules, body=b""))

    assert sent(1001, 1000) == "auth.stale"
    assert sent(1000, 1000) == "auth.bad_signature"
    assert sent(5001, 60000) == "auth.stale"


def test_a_replay_is_told_that_it_is_one_after_its_signature_verified() -> None:
    receipt = Replayed(now=NOW, first_seen_at=UnixMs(NOW - 42))
    denied = decided(signed(), body=b"", receipt=receipt)
    assert isinstance(denied, Deny)
    assert denied.code == "auth.replayed"
    assert "42 ms ago" in denied.detail
    assert code(decided(signed(secret=b"wrong"), body=b"", receipt=receipt)) == "auth.bad_signature"


def test_what_was_signed_before_the_store_began_to_remember_is_stale() -> None:
    assert code(decided(signed(), body=b"", receipt=BeforeEpoch(now=NOW, born_at=NOW))) == "auth.stale"


def test_a_store_that_does_not_answer_admits_nothing() -> None:
    denied = decided(signed(), body=b"", receipt=Unavailable("limits"))
    assert isinstance(denied, Deny)
    assert denied.code == "store.unavailable"
    assert denied.wait_ms == 1000


def test_nothing_signed_is_judged_by_a_clock_that_is_not_sure_and_what_is_open_goes_on() -> None:
    rules = policies(service(route(), route("GET", "/v1/time", auth=None, scope=None)))
    assert code(decided(signed(at=UnixMs(NOW - 9000)), rules=rules, body=b"", clock_is_sure=False)) == "gateway.clock"
    assert code(decided(facts("GET", b"/v1/time"), rules=rules, clock_is_sure=False)) == "allow"


@pytest.mark.parametrize(
    ("age_ms", "narrow_until", "expected"),
    [
        (2000, NOW - 2001, "allow"),  # signed after the reload that widened the window
        (2000, NOW - 2000, "auth.stale"),
        (1500, NOW, "allow"),
        (1501, NOW, "auth.stale"),
    ],
)
def test_what_was_signed_before_a_reload_widened_the_window_is_judged_by_the_narrower_one(
    age_ms: int, narrow_until: int, expected: str
) -> None:
    narrow = Window(5000, 1000, narrow_until=UnixMs(narrow_until), narrow_past_ms=1500)
    kept = msgspec.structs.replace(auth(), windows=(narrow,))
    rules = policies(service(route(auth=kept)))
    assert code(decided(signed(at=UnixMs(NOW - age_ms)), rules=rules, body=b"")) == expected
