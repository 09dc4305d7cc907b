"""How a backtest looks."""

import json

import pytest

from guard.cli.backtest_screen import Run, condition, run_json, run_text
from guard.model.names import Address, UnixMs
from guard.model.questions import Reading
from guard.service.backtest import Verdict
from guard.service.comparison import Comparison
from guard.wire.access_log import LogLine
from tests.build import limit

AT = UnixMs(1_800_000_000_000)


def compared() -> Comparison:
    result = Comparison()
    reading = Reading(limit("key", capacity=10), 5, 0, 0, False, 1)  # noqa: FBT003
    for second in range(3):
        line = LogLine(
            at=UnixMs(AT + 1000 * second),
            verb="GET",
            authority=b"",
            path=b"/",
            service=None,
            ip=Address("192.0.2.1"),
            key="gk\x1b[2J",
            account=None,
            outcome="allow",
        )
        verdict = Verdict("allow", ("limit.weight",), (reading,)) if second else Verdict("limit.key", (), (reading,))
        result.add(line, "allow", verdict)
    return result


def test_a_person_gets_tables_in_which_no_log_steers_the_terminal() -> None:
    assert run_text(Run(compared(), 2, 0.5, "log", 10)).splitlines() == [
        "3 requests, 2027-01-15T08:00:00Z to 2027-01-15T08:00:02Z, judged in 0.5 s, 4 times faster than it happened.",
        "Signatures and bodies are in no log: outcomes of auth are those of the log. Limits of requests at once are",
        "not replayed, and clients that had been refused might have gone on differently.",
        "",
        "OUTCOME                LOG  NEW",
        "allow                    3    2",
        "limit.key                0    1",
        "limit.weight (shadow)         2",
        "",
        "newly denied 1 (33.33%), to 1 keys or addresses; newly allowed 0.",
        "",
        "KEY OR ADDRESS  DENIED  FIRST                 BY",
        "gk\\x1b[2J            1  2027-01-15T08:00:00Z  limit.key",
        "",
        "How full meters were, 95 of 100 requests or fewer: key 50%",
        "2 lines could not be read.",
    ]


def test_a_program_gets_everything() -> None:
    assert json.loads(run_json(Run(compared(), 0, 0.5, "old", 1))) == {
        "lines": 3,
        "unread": 0,
        "began_at_ms": AT,
        "ended_at_ms": AT + 2000,
        "took_s": 0.5,
        "compared_with": "old",
        "before": {"allow": 3},
        "after": {"allow": 2, "limit.key": 1},
        "shadow": {"limit.weight": 2},
        "newly_denied": 1,
        "newly_allowed": 0,
        "affected": [{"subject": "gk\x1b[2J", "denied": 1, "first_at_ms": AT, "reasons": {"limit.key": 1}}],
        "fill_p95_percent": {"key": 50},
    }


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("newly_denied>0", True),
        ("newly_denied > 1", False),
        (" newly_denied >= 1 ", True),
        ("newly_denied > 33.3%", True),
        ("newly_denied > 33.4%", False),
        ("newly_allowed >= 0", True),
    ],
)
def test_a_condition_is_a_count_or_a_share(text: str, holds: bool) -> None:  # noqa: FBT001
    assert condition(text)(compared()) is holds


@pytest.mark.parametrize("text", ["", "denied > 1", "newly_denied = 1", "newly_denied > -1", "newly_denied > 1%%"])
def test_no_condition_is_guessed(text: str) -> None:
    with pytest.raises(ValueError, match="is not newly_denied or newly_allowed"):
        condition(text)
