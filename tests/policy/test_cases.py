import pytest

from guard.model.keys import KeyAlgorithm, KeyUse
from guard.policy.cases import Case, Expectation, Fixture
from tests.policy_text import found, loaded, policy, told


def _policy(*lines: str) -> str:
    return policy("limits: {key: {per: [key], rate: 20/s}}", "tests:", *(f"  - {line}" for line in lines))


def _case(*lines: str) -> Case:
    (case,) = loaded(_policy(*lines)).cases
    return case


def test_a_test_of_one_step_may_be_written_as_that_step() -> None:
    case = _case('{send: "GET /v1/time?a=1", as: {key: k, scopes: [read]}, expect: allow}')
    (step,) = case.steps
    assert (case.service, case.name, case.todo) == ("exchange", "GET /v1/time?a=1: allow", False)
    assert case.place == "p0.yaml:6"
    assert (step.request, step.path, step.times) == (("GET", "/v1/time?a=1"), ("tests", 0), 1)
    assert step.fixture == Fixture(key="k", scopes=frozenset({"read"}))
    assert step.expect == Expectation(decision="allow")


def test_a_key_of_a_test_may_be_kept_to_less_than_its_scopes() -> None:
    (step,) = _case(
        "{send: GET /v1/time, as: {uses: [cancels], only: {symbol: [BTC-USD]}, networks: [10.0.0.0/8]}}"
    ).steps
    assert step.fixture == Fixture(uses=(KeyUse.CANCELS,), only={"symbol": ("BTC-USD",)}, networks=("10.0.0.0/8",))


def test_each_step_may_be_somebody_elses() -> None:
    case = _case(
        "{name: n, todo: true, as: {key: a}, steps: "
        "[{send: GET /v1/time}, {send: GET /v1/time, as: {key: b, algorithm: ed25519}}, {wait: 7s}]}"
    )
    assert case.todo
    assert [step.fixture for step in case.steps] == [
        Fixture(key="a"),
        Fixture(key="b", algorithm=KeyAlgorithm.ED25519),
        Fixture(key="a"),
    ]
    assert [step.wait_ms for step in case.steps] == [0, 0, 7000]


@pytest.mark.parametrize(
    ("body", "content", "kind"),
    [
        ("{orders: [{}, {px: 1.5}]}", b'{"orders":[{},{"px":1.5}]}', "application/json"),
        ("'{\"a\": 1}'", b'{"a": 1}', "application/json"),
        ("a=1&b=2", b"a=1&b=2", "application/x-www-form-urlencoded"),
        ("''", b"", "application/x-www-form-urlencoded"),
    ],
)
def test_a_body_is_text_as_it_is_and_anything_else_as_json(body: str, content: bytes, kind: str) -> None:
    (step,) = _case(f"{{send: POST /v1/orders, body: {body}}}").steps
    assert (step.body, step.content_type) == (content, kind)


@pytest.mark.parametrize(
    ("expect", "expectation"),
    [
        ("authz.scope", Expectation(reason="authz.scope")),
        ("{allow: 1, limit.key: 2}", Expectation(counts={"allow": 1, "limit.key": 2})),
        (
            "{status: 200, cost: 1, remaining: {key: 3}, header: {Retry-After: '1'}, shadow: [limit.key]}",
            Expectation(status=200, cost=1, remaining={"key": 3}, header={"retry-after": "1"}, shadow=("limit.key",)),
        ),
    ],
)
def test_an_expectation_is_a_word_or_numbers_or_more(expect: str, expectation: Expectation) -> None:
    (step,) = _case(f"{{send: GET /v1/time, times: 3, skew: -10s, expect: {expect}}}").steps
    assert (step.expect, step.skew_ms) == (expectation, -10_000)


@pytest.mark.parametrize(
    ("line", "code", "message", "hint"),
    [
        ("{expect: allow}", "P105", "a step says what it sends", "write `send` or `replay`"),
        ("{wait: 1s, expect: allow}", "P105", "a step says what it sends", "write `send` or `replay`"),
        ("{send: GET /, replay: a}", "P110", "`send` and `replay` exclude one another", ""),
        ("{send: GET /, steps: [{wait: 1s}]}", "P110", "`send` belongs to a step of `steps`", ""),
        ("{replay: a, body: x}", "P110", "`body` belongs to `send`", ""),
        ("{replay: a}", "P207", "no step before it saves `a`", ""),
        ("{send: GET /, unsigned: true, tamper: signature}", "P110", "without credentials there is no signature", ""),
        (
            "{send: GET /, expect: auth.replay}",
            "P207",
            "nothing here is ever refused with `auth.replay`",
            "did you mean `auth.replayed`?",
        ),
        (
            "{send: GET /, expect: {limit.kye: 1}}",
            "P207",
            "nothing here is ever refused with `limit.kye`",
            "did you mean `limit.key`?",
        ),
        ("{send: GET /, expect: limit.*}", "P207", "nothing here is ever refused with `limit.*`", None),
        (
            "{send: GET /, expect: {shadow: [limit.x]}}",
            "P207",
            "nothing here is ever refused with `limit.x`",
            None,
        ),
        ("{send: GET /, expect: {remaining: {kee: 1}}}", "P207", "no limit `kee`", "did you mean `key`?"),
        (
            "{send: GET /, times: 3, expect: {allow: 2}}",
            "P107",
            "these are 2 outcomes, of 3 requests",
            "",
        ),
        (
            "{send: GET /, expect: {decision: allow, reason: limit.key}}",
            "P110",
            "what is let through has no reason",
            "",
        ),
    ],
)
def test_a_test_that_would_say_less_than_it_seems_to_is_an_error(
    line: str, code: str, message: str, hint: str | None
) -> None:
    faults = [fault for fault in found(_policy(line)) if fault.code == code]
    assert [(fault.line, fault.message) for fault in faults] == [(6, message)]
    assert hint is None or faults[0].help == hint


def test_tests_that_would_take_too_long_at_each_load_are_an_error() -> None:
    flood = "{send: GET /v1/time, times: 10000}"
    assert told(_policy(flood, flood)) == []
    assert told(_policy(flood, flood, "{send: GET /v1/time}")) == [
        ("P602", 8, "more than 20,000 requests in the tests of one directory")
    ]
