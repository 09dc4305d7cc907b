"""One line a decision, and nothing in it that could be used to repeat the request."""

import json

from guard.model.decision import DecisionEvent
from guard.model.names import KeyId, RequestId, UnixMs
from guard.telemetry.decision_log import DecisionLog, timestamp


def test_each_event_is_one_json_line_in_one_write() -> None:
    lines: list[bytes] = []
    log = DecisionLog(lines.append, b"tag")
    log.record(DecisionEvent(ts="t", id=RequestId("req_1"), decision="deny", reason="limit.key", ip="::1\n"))
    log.record(DecisionEvent(ts="t", id=RequestId("req_2"), decision="allow"))
    assert [line.count(b"\n") for line in lines] == [1, 1]
    assert json.loads(lines[0]) == {
        "ts": "t",
        "id": "req_1",
        "decision": "deny",
        "reason": "limit.key",
        "ip": "::1\n",
    }


def test_a_key_is_its_first_characters_and_a_tag_that_needs_the_tag_key() -> None:
    key_id = KeyId("gk_0123456789abcdef")
    first, second = DecisionLog(bytes, b"one").key_tag(key_id), DecisionLog(bytes, b"two").key_tag(key_id)
    assert first.startswith("gk_012…")
    assert "3456789" not in first
    assert first != second
    assert first == DecisionLog(bytes, b"one").key_tag(key_id)


def test_times_are_rfc_3339_in_utc_to_the_millisecond() -> None:
    assert timestamp(UnixMs(1_795_347_604_905)) == "2026-11-22T11:40:04.905Z"
