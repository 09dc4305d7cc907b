import json

import msgspec
import pytest

from guard.cli.audit_screen import record_text, verdict_json, verdict_text
from guard.model.audit import AuditRecord, Checkpoint, Subject
from guard.signing.audit_chain import Broken, Whole

AT_MS = 1_800_000_000_000
RECORD = AuditRecord(
    number=7,
    previous="0" * 64,
    revision=3,
    at_ms=AT_MS,
    actor="alice",
    origin="cli desk",
    command="suspend",
    subject=Subject("key", "k1"),
    why="holiday",
    before=None,
    after=None,
)
LAST = Checkpoint(count=1000, hash="0" * 64, at_ms=AT_MS, key="00ff")
WHOLE = Whole(records=1002, hash="f" * 64, checkpoints=3, last=LAST)


def test_record_is_one_line() -> None:
    assert record_text(RECORD) == "7  2027-01-15T08:00:00Z  suspend key k1 by alice from cli desk: holiday"
    bare = msgspec.structs.replace(RECORD, origin="", why="")
    assert record_text(bare) == "7  2027-01-15T08:00:00Z  suspend key k1 by alice"


@pytest.mark.parametrize("field", ["actor", "origin", "command", "why"])
def test_nothing_that_somebody_wrote_steers_a_terminal_or_forges_a_line(field: str) -> None:
    hostile = "x\n8  2027-01-15T08:00:00Z  revoke\r\x1b[2J\x9b1m\u2028"
    shown = record_text(msgspec.structs.replace(RECORD, **{field: hostile}))
    assert shown.isprintable()
    subject = msgspec.structs.replace(RECORD, subject=Subject(hostile, hostile))
    assert record_text(subject).isprintable()


def test_impossible_time_is_shown_as_it_is() -> None:
    assert "9000000000000000000 ms" in record_text(msgspec.structs.replace(RECORD, at_ms=9 * 10**18))


def test_verdict_for_a_person_says_how_far_it_is_vouched_for() -> None:
    assert verdict_text(WHOLE, signatures_read=True).splitlines() == [
        "whole   1,002 records, 3 checkpoints",
        "        The first 1,000 signed by key 00ff at 2027-01-15T08:00:00Z; 2 since then.",
    ]
    all_of_it = msgspec.structs.replace(WHOLE, records=1000)
    assert verdict_text(all_of_it, signatures_read=True).endswith("at 2027-01-15T08:00:00Z.")
    unsigned = msgspec.structs.replace(WHOLE, checkpoints=0, last=None)
    assert "No checkpoint covers them" in verdict_text(unsigned, signatures_read=True)
    assert "NOT verified" in verdict_text(WHOLE, signatures_read=False)


def test_verdict_for_a_person_names_what_is_broken() -> None:
    assert verdict_text(Broken(7, "record 7 is missing"), signatures_read=True) == "BROKEN  line 7: record 7 is missing"
    assert verdict_text(Broken(None, "cut"), signatures_read=True) == "BROKEN  cut"


def test_verdict_for_a_program() -> None:
    assert json.loads(verdict_json(WHOLE, signatures_read=False)) == {
        "whole": True,
        "records": 1002,
        "hash": "f" * 64,
        "checkpoints": 3,
        "signed_records": 1000,
        "signed_at_ms": AT_MS,
        "signatures_verified": False,
    }
    unsigned = json.loads(verdict_json(msgspec.structs.replace(WHOLE, last=None), signatures_read=True))
    assert (unsigned["signed_records"], unsigned["signed_at_ms"]) == (0, None)
    broken = json.loads(verdict_json(Broken(None, "cut"), signatures_read=True))
    assert broken == {"whole": False, "line": None, "fault": "cut"}
