import json

from guard.cli.bans_screen import done_json, done_text, list_json, list_text, show_json, show_text
from guard.model.abuse import Evidence
from guard.model.names import RequestId, UnixMs
from guard.model.rules import Mode
from guard.service.enforcement import InForce
from tests.build import NOW, ban, rule

_FORCE = InForce(nodes=2, after_ms=130)
_EVIDENCE = Evidence(signals={"forgery": 2}, requests=(RequestId("req_a"), RequestId("req_b")))
_BAN = ban(points=80, evidence=_EVIDENCE, why="forgery", actor="gateway")


def test_what_was_done_is_told_with_whether_it_is_in_force() -> None:
    assert done_text("Lifted", (_BAN,), _FORCE) == (
        "Lifted ban_test (ip 203.0.113.7, until 2030-03-17T17:48:40Z), in force on 2 nodes after 130 ms."
    )
    assert json.loads(done_json((_BAN,), _FORCE))["bans"][0]["name"] == "203.0.113.7"


def test_a_list_marks_what_is_only_recorded() -> None:
    shadow = ban(rule=rule("abuse.forgery", Mode.SHADOW), why="forgery", actor="gateway\x1b[2J")
    head, row = list_text((shadow,)).split("\n")
    assert head.split() == ["ID", "WHO", "WHAT", "UNTIL", "STRIKES", "BY", "WHY"]
    assert "ban (shadow)" in row
    assert "\x1b" not in row
    assert json.loads(list_json((shadow,)))[0]["shadow"] is True
    assert list_text(()) == "Nobody is banned."


def test_one_is_shown_with_its_evidence() -> None:
    assert show_text(_BAN).split("\n") == [
        "ban_test: ip 203.0.113.7, ban",
        "  service   exchange",
        "  since     2030-03-17T17:46:40Z",
        "  until     2030-03-17T17:48:40Z",
        "  by        gateway: forgery",
        "  rule      abuse.replay (test.yaml:1)",
        "  score     80, strikes 1",
        "  signals   forgery × 2",
        "  requests  req_a req_b",
    ]
    assert json.loads(show_json(_BAN))["signals"] == {"forgery": 2}


def test_an_operators_ban_has_no_rule_and_a_lifted_one_says_so() -> None:
    shown = show_text(ban(rule=None, service="", lifted_at=UnixMs(NOW + 1000), why="ticket", actor="alice"))
    assert shown.split("\n") == [
        "ban_test: ip 203.0.113.7, ban",
        "  service   all",
        "  since     2030-03-17T17:46:40Z",
        "  until     2030-03-17T17:46:41Z, when it was lifted",
        "  by        alice: ticket",
    ]
