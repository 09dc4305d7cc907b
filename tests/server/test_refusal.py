"""A refusal of the listener looks like every other refusal of the gateway."""

import json

from guard.model.exchange import Sent
from guard.server.refusal import Stage, refusal, silent_refusal


def test_a_refusal_is_a_problem_that_ends_the_connection_and_says_what_was_sent() -> None:
    answer, refused = refusal("request.malformed", Sent.NO, "192.0.2.1", Stage.HEAD)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"\r\nconnection: close" in head
    assert b"guard-sent: no" in head.lower()
    problem = json.loads(body)
    assert problem["code"] == "request.malformed"
    assert (problem["sent"], problem["request_id"]) == ("no", refused.request_id)
    assert (refused.code, refused.status, refused.sent) == ("request.malformed", 400, Sent.NO)
    assert (refused.address, refused.stage) == ("192.0.2.1", Stage.HEAD)


def test_a_refusal_of_head_has_no_body() -> None:
    answer, _ = refusal("request.timeout", Sent.UNKNOWN, None, Stage.BODY, verb="HEAD")
    assert answer.endswith(b"\r\n\r\n")


def test_what_is_closed_in_silence_has_no_status_and_an_id_of_its_own() -> None:
    first, second = (silent_refusal("request.malformed", None, Stage.TLS, "why") for _ in range(2))
    assert (first.status, first.sent, first.detail) == (None, Sent.NO, "why")
    assert first.request_id != second.request_id
