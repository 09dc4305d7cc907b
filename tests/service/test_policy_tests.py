import pytest

from guard.policy.diagnostic import Diagnostic
from guard.service.policy_tests import rehearse
from guard.service.rulebook import Rulebook
from tests.policy_text import loaded

_POLICY = """\
version: 1
service: exchange
upstream: http://127.0.0.1:8081
limits: {key: {per: [key], rate: 20/s, burst: 3}}
routes:
  POST /v1/orders: {scope: trade, cost: 2}
  DELETE /v1/orders/{id}: {scope: trade}
tests:
"""


def _failure(*lines: str) -> Diagnostic | None:
    found = loaded(_POLICY + "".join(f"  {line}\n" for line in lines))
    (case,) = found.cases
    return rehearse(Rulebook(policies=found.policies, schemes=found.schemes), case).failure


@pytest.mark.parametrize(
    "line",
    [
        "{send: POST /v1/orders, as: {scopes: [trade]}, expect: allow}",
        "{send: POST /v1/orders, expect: authz.scope}",
        "{send: POST /v1/orders, expect: {decision: deny}}",
        "{send: POST /v1/orders, unsigned: true, expect: {reason: auth.missing, status: 401}}",
        "{send: POST /v1/orders, as: {scopes: [trade]}, body: {a: 1}, tamper: body, expect: auth.bad_digest}",
        "{send: POST /v1/orders, as: {scopes: [trade]}, times: 3, expect: {allow: 1, limit.key: 2}}",
        "{send: POST /v1/orders, as: {scopes: [trade]}, times: 2, expect: {header: {Retry-After: '1'}, status: 429}}",
        "{send: POST /v1/orders, as: {scopes: [trade]}, expect: {cost: 2, remaining: {key: 1}, shadow: []}}",
        "{send: POST /v1/orders, as: {scopes: [trade]}, headers: {Host: a b}, expect: request.malformed}",
        "{steps: [{wait: 1s}]}",
    ],
)
def test_what_holds_passes(line: str) -> None:
    assert _failure(f"- {line}") is None


@pytest.mark.parametrize(
    ("line", "column", "message", "hint"),
    [
        (
            "{send: POST /v1/orders, expect: allow}",
            37,
            "`POST /v1/orders: allow`: expected `allow`, got `authz.scope` (403)",
            'decided by routes.POST /v1/orders (p0.yaml:6): this route needs the scope "trade"',
        ),
        (
            "{name: n, send: GET /v1/x, expect: allow}",
            40,
            "`n`: expected `allow`, got `route.unknown` (404)",
            "decided by service (p0.yaml:2)",
        ),
        (
            "{name: n, send: POST /v1//orders, expect: allow}",
            47,
            "`n`: expected `allow`, got `request.bad_path` (400)",
            "guard itself decides that: the path contains an empty segment",
        ),
        (
            "{name: n, as: {scopes: [trade]}, send: POST /v1/orders, expect: limit.key}",
            69,
            "`n`: expected `limit.key`, got `allow`",
            "",
        ),
        (
            "{name: n, send: POST /v1/orders, expect: {status: 401}}",
            55,
            "`n`: expected status 401, got 403",
            'decided by routes.POST /v1/orders (p0.yaml:6): this route needs the scope "trade"',
        ),
        (
            "{name: n, as: {scopes: [trade]}, send: POST /v1/orders, expect: {cost: 1}}",
            76,
            "`n`: expected a cost of 1, got 2",
            "",
        ),
        (
            "{name: n, as: {scopes: [trade]}, send: POST /v1/orders, expect: {remaining: {key: 3}}}",
            87,
            "`n`: expected 3 left of `key`, got 1",
            "",
        ),
        (
            "{name: n, send: GET /v1/x, expect: {remaining: {key: 3}}}",
            58,
            "`n`: expected 3 left of `key`, got a request that this limit does not count",
            "decided by service (p0.yaml:2)",
        ),
        (
            "{name: n, send: GET /v1/x, expect: {header: {Retry-After: '1'}}}",
            49,
            "`n`: expected retry-after `1`, got none",
            "decided by service (p0.yaml:2)",
        ),
        (
            "{name: n, send: GET /v1/x, expect: {header: {Guard-Sent: unknown}}}",
            49,
            "`n`: expected guard-sent `unknown`, got `no`",
            "decided by service (p0.yaml:2)",
        ),
        (
            "{name: n, send: GET /v1/x, expect: {shadow: [limit.key]}}",
            49,
            "`n`: expected in shadow [limit.key], got []",
            "decided by service (p0.yaml:2)",
        ),
    ],
)
def test_what_does_not_hold_is_told_at_its_place_with_who_decided(
    line: str, column: int, message: str, hint: str
) -> None:
    failure = _failure(f"- {line}")
    assert failure is not None
    assert (failure.code, failure.line, failure.column) == ("P601", 9, column)
    assert (failure.message, failure.help) == (message, hint)


def test_numbers_that_differ_are_told_beside_those_expected() -> None:
    failure = _failure(
        "- {name: n, as: {scopes: [trade]}, send: POST /v1/orders, times: 3, expect: {allow: 2, limit.key: 1}}"
    )
    assert failure is not None
    assert failure.message == "`n`: expected {allow: 2, limit.key: 1}, got {allow: 1, limit.key: 2}"
    assert failure.help == 'decided by limits.key (p0.yaml:4): needs 2 of "key", 1 left; try again in 50 ms'


def test_a_captured_order_cannot_be_replayed_and_grows_stale() -> None:
    assert (
        _failure(
            "- name: replay",
            "  as: {scopes: [trade]}",
            "  steps:",
            "    - {send: POST /v1/orders, body: {px: 1}, save: order, expect: allow}",
            "    - {replay: order, expect: auth.replayed}",
            "    - {replay: order, as: {ip: 198.51.100.7}, expect: auth.replayed}",
            "    - {wait: 7s, replay: order, expect: auth.stale}",
        )
        is None
    )


def test_the_first_step_that_fails_ends_the_test() -> None:
    failure = _failure(
        "- name: n", "  steps:", "    - {send: POST /v1/orders, expect: allow}", "    - {wait: 1s, send: GET /x}"
    )
    assert failure is not None
    assert failure.line == 11


def test_a_request_that_cannot_be_made_is_told_at_its_step() -> None:
    failure = _failure("- {name: n, send: POST /v1/orders, tamper: body}")
    assert failure is not None
    assert (failure.code, failure.line, failure.message) == ("P603", 9, "`n`: there is no body to tamper with")


_RATIOS = """\
version: 1
service: exchange
upstream: http://127.0.0.1:8081
abuse:
  use: [order-to-trade, cancel-to-order, rejected-orders]
  ladder: [{at: 10, action: quarantine, for: 1h}]
routes:
  GET /v1/fills: {scope: trade}
  POST /v1/orders: {scope: trade}
  DELETE /v1/orders/{id}: {scope: trade, priority: critical}
tests:
"""
_STILL_GOOD = "{send: POST /v1/orders, expect: allow}"
_QUARANTINED = "{send: POST /v1/orders, expect: abuse.quarantine}"


def _sent(what: str, times: int, fills: int | None = None, more: str = "") -> str:
    told = "" if fills is None else f", answer: {{headers: {{Guard-Fills: '{fills}'}}}}"
    return f"{{send: {what}, times: {times}{told}{more}}}"


def _orders(times: int, fills: int | None = None, more: str = "") -> str:
    return _sent("POST /v1/orders", times, fills, more)


def _cancels(times: int, fills: int | None = None, more: str = "") -> str:
    return _sent("DELETE /v1/orders/7", times, fills, more)


@pytest.mark.parametrize(
    "steps",
    [
        [_orders(600, 0), _cancels(400, 0)],
        [_orders(600, 0), _orders(1, 1), _cancels(399, 0)],  # 1000 for one trade
        [_orders(1000), _cancels(1000)],  # nobody tells of trades: a cancel for every order
        [_orders(200, more=", answer: 400")],
    ],
)
def test_a_shipped_ratio_is_exceeded(steps: list[str]) -> None:
    assert _ratio_failure(*steps, _QUARANTINED) is None


@pytest.mark.parametrize(
    "steps",
    [
        [_orders(999, 0), _sent("GET /v1/fills", 1, 2), _orders(1, 0)],  # a trade for 500, told by any answer
        [_orders(999, 0)],  # too few to say anything
        [_orders(600, 0), _cancels(600, 0, ", wait: 20m")],  # not within the time
        [_orders(3000)],  # nobody tells of trades, so that nothing follows from there being none
        [_orders(1020), _cancels(1000)],  # one order in fifty stands
        [_orders(1000, 0, ", as: {key: t2, scopes: [trade]}")],  # another account
    ],
)
def test_a_shipped_ratio_is_kept(steps: list[str]) -> None:
    assert _ratio_failure(*steps, _STILL_GOOD) is None


def _ratio_failure(*steps: str) -> Diagnostic | None:
    found = loaded(f"{_RATIOS}  - {{as: {{scopes: [trade]}}, steps: [{', '.join(steps)}]}}\n")
    (case,) = found.cases
    return rehearse(Rulebook(policies=found.policies, schemes=found.schemes), case).failure
