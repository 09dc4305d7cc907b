from pathlib import Path

import msgspec
import pytest

from guard.cli.key_screen import (
    as_text,
    changed_json,
    changed_text,
    issued_json,
    issued_text,
    key_json,
    key_text,
    list_text,
)
from guard.model.audit import AuditRecord, Subject
from guard.model.keys import Bounds, KeyUse
from guard.service.enforcement import Force, InForce, NotKnown, Silent
from guard.service.keyring import Issued
from guard.state.key_rows import KeyView

NOW_MS = 1_800_000_000_000
VIEW = KeyView(
    id="k1",
    account="acme",
    scopes=("read", "trade"),
    algorithm="hmac-sha256",
    state="active",
    tier=None,
    networks=(),
    label="",
    lineage="k1",
    rotated_from=None,
    created_at_ms=NOW_MS,
    expires_at_ms=None,
    dies_at_ms=None,
    last_used_at_ms=None,
    revision=1,
)
ROW = AuditRecord(
    number=1,
    previous="0" * 64,
    revision=1,
    at_ms=NOW_MS,
    actor="alice",
    origin="cli desk",
    command="create",
    subject=Subject("key", "k1"),
    why="",
    before=None,
    after={"id": "k1"},
)


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: NOW_MS * 1_000_000)


def test_new_key_for_a_program() -> None:
    assert issued_json(Issued(VIEW, "gs_x"), None) == (
        '{"id":"k1","secret":"gs_x","account":"acme","scopes":["read","trade"],'
        '"algorithm":"hmac-sha256","state":"active","expires_at_ms":null}'
    )


def test_new_key_for_a_person() -> None:
    assert issued_text(Issued(VIEW, "gs_x"), None).splitlines() == [
        "key     k1",
        "secret  gs_x",
        "account acme, scopes read, trade, hmac-sha256, from anywhere",
        "The secret is shown this once. guard keeps it sealed and will not show it again.",
    ]


def test_public_key_for_a_person_says_nothing_of_a_secret() -> None:
    assert "secret" not in issued_text(Issued(VIEW, None), None)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "active"),
        ({"dies_at_ms": NOW_MS + 1000}, "active until 2027-01-15T08:00:01Z"),
        ({"dies_at_ms": NOW_MS + 5000, "expires_at_ms": NOW_MS + 1000}, "active until 2027-01-15T08:00:01Z"),
        ({"expires_at_ms": NOW_MS}, "ended 2027-01-15T08:00:00Z"),
        ({"state": "suspended", "expires_at_ms": NOW_MS}, "suspended"),
    ],
)
def test_list_tells_the_state_and_the_end_that_comes_by_itself(changes: dict[str, object], state: str) -> None:
    view = msgspec.structs.replace(VIEW, **changes)
    assert list_text((view,)).splitlines()[1].startswith(f"k1  acme     {state.ljust(5)}  hmac-sha256  ")


def test_list_tells_when_a_key_was_last_used() -> None:
    used = msgspec.structs.replace(VIEW, last_used_at_ms=NOW_MS)
    assert list_text((VIEW,)).splitlines()[1].endswith("never")
    assert list_text((used,)).splitlines()[1].endswith("2027-01-15T08:00:00Z")


def test_key_for_a_person_has_its_history() -> None:
    bounds = Bounds.of([KeyUse.READS, KeyUse.CANCELS], {"symbol": ["ETH-USD", "BTC-USD"]})
    kept = "for cancels and reads alone, symbol BTC-USD, ETH-USD alone"
    view = msgspec.structs.replace(VIEW, tier="gold", networks=("10.0.0.0/8",), bounds=bounds, rotated_from="k0")
    assert key_text(view, (ROW,)).splitlines() == [
        "key     k1",
        "state   active",
        f"account acme, scopes read, trade, hmac-sha256, from 10.0.0.0/8, tier gold, {kept}",
        "rotated from k0",
        "2027-01-15T08:00:00Z  create by alice",
    ]


def test_no_reason_begins_a_line_of_its_own() -> None:
    forged = msgspec.structs.replace(ROW, why="x\n2027-01-15T08:00:00Z  revoke by root", actor="\x1b[2J")
    assert key_text(VIEW, (forged,)).splitlines()[3:] == [
        "2027-01-15T08:00:00Z  create by \\x1b[2J: x\\n2027-01-15T08:00:00Z  revoke by root"
    ]


def test_key_for_a_program_has_its_history() -> None:
    told = msgspec.json.decode(key_json(VIEW, (ROW,)))
    assert told["id"] == "k1"
    assert told["history"] == [
        {
            "revision": 1,
            "at_ms": NOW_MS,
            "actor": "alice",
            "from": "cli desk",
            "command": "create",
            "why": "",
            "before": None,
            "after": {"id": "k1"},
        }
    ]


def test_json_is_one_line() -> None:
    assert "\n" not in as_text((VIEW, VIEW))


def test_api_key_is_shown_as_it_is_sent() -> None:
    lines = issued_text(Issued(msgspec.structs.replace(VIEW, algorithm="api-key"), "gs_x"), None).splitlines()
    assert lines[2] == "field   Guard-Api-Key: k1.gs_x"


def test_secret_that_was_written_to_a_file_is_not_shown() -> None:
    out = Path("/tmp/acme.env")  # noqa: S108  # only named
    assert "gs_x" not in issued_text(Issued(VIEW, "gs_x"), out) + issued_json(Issued(VIEW, "gs_x"), out)
    assert issued_text(Issued(VIEW, "gs_x"), out).endswith("Written to /tmp/acme.env, which only you can read.")


def test_successor_says_what_becomes_of_the_old_key() -> None:
    successor = msgspec.structs.replace(VIEW, rotated_from="k0")
    assert "k0 goes on until its overlap ends: `guard keys show k0`." in issued_text(Issued(successor, "gs_x"), None)


def test_no_keys_is_told_with_the_command_that_makes_one() -> None:
    assert "guard keys create" in list_text(())


def test_reason_is_shown_without_what_steers_a_terminal() -> None:
    row = msgspec.structs.replace(ROW, why="\x1b[2Jboo")
    assert key_text(VIEW, (row,)).endswith("create by alice: \\x1b[2Jboo")


_SILENT = NotKnown(nodes=2, after_ms=975, silent=(Silent(node="web-1:4711", until_ms=30_000),))


@pytest.mark.parametrize(
    ("force", "lines"),
    [
        (InForce(nodes=0, after_ms=3), ["k1 is active. No gateway is running."]),
        (InForce(nodes=1, after_ms=26), ["k1 is active, in force on 1 node after 26 ms."]),
        (
            InForce(nodes=2, after_ms=925, expired=("web-1:4711",)),
            [
                "k1 is active, in force on 2 nodes after 925 ms.",
                "  web-1:4711 does not answer; it refuses all keys until it does.",
            ],
        ),
        (
            _SILENT,
            [
                "k1 is active. Not known after 975 ms whether it is in force:",
                "  web-1:4711 does not answer, and may use what it knew for 30 s from the change on.",
            ],
        ),
        (
            NotKnown(nodes=0, after_ms=975, error="the key database did not answer in time"),
            [
                "k1 is active. Not known after 975 ms whether it is in force:",
                "  the key database did not answer in time.",
            ],
        ),
    ],
)
def test_change_says_whether_it_is_in_force_or_exactly_what_is_not_known(force: Force, lines: list[str]) -> None:
    assert changed_text(VIEW, force).splitlines() == lines


def test_change_says_to_programs_whether_it_is_in_force() -> None:
    told = msgspec.json.decode(changed_json(VIEW, _SILENT))
    assert (told["id"], told["nodes"]["in_force"]) == ("k1", False)
    assert told["nodes"]["silent"] == [{"node": "web-1:4711", "until_ms": 30_000}]
