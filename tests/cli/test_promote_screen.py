"""How a rule looks that may be enforced."""

import json

from guard.cli.promote_screen import Weighed, weighed_json, weighed_text
from guard.model.names import Address, UnixMs
from guard.policy.promotion import Edit, Promotion
from guard.service.shadow_record import ShadowRecord
from guard.wire.access_log import LogLine

AT = UnixMs(1_800_000_000_000)
EDIT = Edit("p.yaml", 3, "mode", "mode: shadow", "mode: enforce")


def weighed(percent: int, *, unread: int = 0, overflowed: bool = False) -> Weighed:
    record = ShadowRecord("exchange", "limit.weight")
    for number in range(4):
        line = LogLine(
            at=UnixMs(AT + 1000 * number),
            verb="GET",
            authority=b"",
            path=b"/",
            service="exchange",
            ip=Address("192.0.2.1"),
            key=f"gk_{number}\n",
            account=None,
            outcome="allow",
            route="GET /",
            shadow=("limit.weight",) if number == 1 else (),
        )
        record.add(line)
    record.overflowed = overflowed
    return Weighed(Promotion("exchange", "limits.weight", "limit.weight", (EDIT,), percent), record, unread)


def test_a_person_sees_whom_it_met_and_what_to_change() -> None:
    assert weighed_text(weighed(25, unread=3), 10).splitlines() == [
        "limits.weight of exchange, in shadow, 2027-01-15T08:00:00Z to 2027-01-15T08:00:03Z:",
        "would have denied 1 of 4 requests, to 1 of 4 active keys (25.00%)",
        "  gk_1\\n  1 from 2027-01-15T08:00:01Z to 2027-01-15T08:00:01Z",
        "  GET /  1",
        "3 lines could not be read.",
        "",
        "To enforce it:",
        "--- p.yaml:3",
        "-mode: shadow",
        "+mode: enforce",
    ]


def test_a_log_of_too_many_keys_gives_no_verdict() -> None:
    refused = "Refused: the log names more keys than can be counted: give a shorter one."
    assert weighed_text(weighed(100, overflowed=True), 0).endswith(refused)


def test_a_program_sees_the_same() -> None:
    told = json.loads(weighed_json(weighed(24), 10))
    assert told["refused"] == "it would deny something to more than 24% of the active keys or addresses"
    assert told["met"] == [{"subject": "gk_1\n", "denied": 1, "first_at_ms": AT + 1000, "last_at_ms": AT + 1000}]
    assert (told["keys_active"], told["keys_denied_percent"], told["keys_denied_percent_max"]) == (4, 25.0, 24)
