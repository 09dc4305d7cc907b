"""A run on one page."""

import json

from loadtests.crowd.report import result_json, verdict_page
from loadtests.crowd.tally import Name, Tally
from loadtests.crowd.verdict import Finding, Verdict

TALLY = Tally(
    {"order": Name(asked=3, unexpected=1, denied=1, answers={"429 limit.key": 1, "200": 2}, latencies_us={1500: 3})},
    offered=4,
    begun=3,
)
VERDICT = Verdict((Finding("a holds", "≤ 1", "0", held=True), Finding("b breaks", "≤ 1", "2", held=False)))
CONDITIONS = {"scenario": "steady", "seconds": 5, "users": 2}


def test_the_page_begins_with_the_word_and_what_broke() -> None:
    assert (
        verdict_page(VERDICT, TALLY, CONDITIONS)
        == """\
# steady: BREACHED

seconds 5, users 2

| must hold | wanted | found | |
|---|---|---|---|
| b breaks | ≤ 1 | 2 | **breached** |
| a holds | ≤ 1 | 0 | held |

| name | asked | p50 ms | p95 ms | p99 ms | answers |
|---|--:|--:|--:|--:|---|
| order | 3 | 1.5 | 1.5 | 1.5 | 200: 2, 429 limit.key: 1 |
"""
    )


def test_errors_are_on_the_page() -> None:
    page = verdict_page(Verdict((), ("no gateway",)), Tally(), CONDITIONS)
    assert page.startswith("# steady: ERRORS\n\nseconds 5, users 2\n\n- error: no gateway\n\n| must hold")


def test_a_load_generator_without_cpu_is_on_the_page() -> None:
    page = verdict_page(Verdict(()), Tally(strained=1), CONDITIONS)
    assert "\n\n- the load generator had no CPU left at times" in page


def test_programs_read_the_same() -> None:
    assert json.loads(result_json(VERDICT, TALLY, CONDITIONS, {"key": 0})) == {
        "exit_code": 3,
        "conditions": CONDITIONS,
        "errors": [],
        "findings": [
            {"what": "a holds", "wanted": "≤ 1", "found": "0", "held": True},
            {"what": "b breaks", "wanted": "≤ 1", "found": "2", "held": False},
        ],
        "names": {
            "order": {
                "asked": 3,
                "unexpected": 1,
                "denied": 1,
                "answers": {"200": 2, "429 limit.key": 1},
                "p50_us": 1500,
                "p95_us": 1500,
                "p99_us": 1500,
            }
        },
        "offered": 4,
        "sent": 3,
        "strained": 0,
        "over_admission": {"key": 0},
    }
