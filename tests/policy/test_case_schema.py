import pytest

from tests.policy_text import policy, told


def _tests(*lines: str) -> str:
    return policy("limits: {key: {per: [key], rate: 20/s}}", "tests:", *(f"  - {line}" for line in lines))


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{sned: GET /v1/time}", ("P101", 6, "unknown field `sned`")),
        ("{steps: [{send: GET /v1/time, exepct: allow}]}", ("P101", 6, "unknown field `exepct`")),
        ("{send: GET /v1/time, as: {scope: read}}", ("P101", 6, "unknown field `scope`")),
        ("{send: /v1/time}", ("P106", 6, "`/v1/time` is not METHOD /target")),
        ("{send: GET /v1/a b}", ("P106", 6, "`GET /v1/a b` is not METHOD /target")),
        ("{send: GET /v1/time, skew: 10}", ("P104", 6, "a duration needs its unit")),
        ("{send: GET /v1/time, as: {ip: 203.0.113}}", ("P108", 6, "`203.0.113` is not an address")),
        ("{send: GET /v1/time, as: {key: a key}}", ("P106", 6, "`a key` is not a key id or account")),
        ("{send: GET /v1/time, tamper: query}", ("P102", 6, "`query` is not one of body, path, signature")),
        ("{send: GET /v1/time, store: slow}", ("P102", 6, "`slow` is not down")),
        ("{send: GET /v1/time, times: 1000000}", ("P107", 6, "must be at most 10000")),
        ("{send: GET /v1/time, expect: {decision: maybe}}", ("P102", 6, "`maybe` is not one of allow, deny")),
        ("{send: GET /v1/time, expect: {status: 99}}", ("P107", 6, "must be at least 100")),
        ("{send: GET /v1/time, expect: {status: 200, staus: 1}}", ("P101", 6, "unknown field `staus`")),
        ("{send: GET /v1/time, expect: [allow]}", ("P103", 6, "expected a mapping, found a list")),
        ("{send: GET /v1/time, expect: {allow: many}}", ("P103", 6, "expected a whole number, found the text `many`")),
        ("{send: GET /v1/time, headers: {X-A: 5}}", ("P103", 6, "expected text, found the number `5`")),
        ("{steps: []}", ("P107", 6, "must have at least 1 entries")),
    ],
)
def test_each_fault_of_a_tests_shape_is_one_diagnostic_at_its_line(line: str, fault: tuple[str, int, str]) -> None:
    assert told(_tests(line)) == [fault]


def test_a_misspelt_field_of_a_step_is_told_with_the_one_that_was_meant() -> None:
    from tests.policy_text import found  # noqa: PLC0415

    (fault,) = found(_tests("{steps: [{send: GET /v1/time, exepct: allow}]}"))
    assert fault.help == "did you mean `expect`?"
    assert (fault.line, fault.column) == (6, 35)
