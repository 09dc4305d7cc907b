"""What no test speaks of is told where it stands."""

from guard.policy.load import Loaded
from guard.service.coverage import coverage_faults
from guard.service.policies import untested
from guard.service.policy_tests import rehearse
from tests.policy_text import HEAD, loaded

ROUTES = """\
routes:
  POST /v1/orders: {scope: trade, group: orders}
  PUT /v1/orders: {scope: trade, group: orders}
  GET /v1/orders: {scope: read}
"""
ABUSE = """\
abuse:
  signals: {forgery: {on: auth.bad_signature, points: 5, per: ip}}
  ladder: [{at: 80, action: ban, for: 2m}]
"""
ORDER = "  - {send: POST /v1/orders, as: {scopes: [trade]}, expect: allow}\n"
READ = "  - {send: GET /v1/orders, as: {scopes: [read]}, expect: allow}\n"
FORGED = "  - {send: GET /v1/orders, as: {scopes: [read]}, tamper: signature, expect: auth.bad_signature}\n"


def _told(*tests: str, abuse: str = "") -> list[tuple[str, int, str]]:
    found: Loaded = loaded(HEAD + abuse + ROUTES + ("tests:\n" + "".join(tests) if tests else ""))
    verdicts = [rehearse(untested(found), case) for case in found.cases]
    assert not [verdict.failure for verdict in verdicts if verdict.failure is not None]
    return [(one.code, one.line, one.message) for one in coverage_faults(found, verdicts)]


def test_each_group_and_each_route_without_one_needs_a_request() -> None:
    assert _told() == [
        ("P410", 5, "no test sends a request to the group `orders`"),
        ("P410", 7, "no test sends a request to `GET /v1/orders`"),
    ]
    assert _told(ORDER) == [("P410", 7, "no test sends a request to `GET /v1/orders`")]
    assert _told(ORDER, READ) == []


def test_a_signal_needs_a_test_that_makes_it_count_and_one_that_does_not() -> None:
    assert _told(ORDER, READ, abuse=ABUSE) == [("P410", 5, "no test makes the signal `forgery` count")]
    one = "  - name: forged\n    as: {scopes: [trade]}\n    steps:\n      - {send: POST /v1/orders, expect: allow}\n"
    one += "      - {send: GET /v1/orders, tamper: signature, expect: auth.bad_signature}\n"
    assert _told(one, abuse=ABUSE) == [("P410", 5, "no test shows when the signal `forgery` does not count")]
    assert _told(ORDER, FORGED, abuse=ABUSE) == []
