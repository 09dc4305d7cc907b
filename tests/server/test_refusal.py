"""Refusals of the listener look like all others."""

import json

from guard.model.exchange import Sent
from guard.server.refusal import refusal


def test_a_refusal_is_a_problem_that_ends_the_connection() -> None:
    head, body = refusal("request.head_too_large", Sent.NO, ("127.0.0.1", 5000)).split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    for field in (b"content-type: application/problem+json", b"guard-sent: no", b"connection: close"):
        assert field in head.split(b"\r\n")
    told = json.loads(body)
    assert (told["code"], told["status"], told["sent"]) == ("request.head_too_large", 431, "no")
    assert b"guard-request-id: " + told["request_id"].encode() in head


def test_head_is_refused_without_a_body() -> None:
    assert refusal("gateway.error", Sent.UNKNOWN, None, verb="HEAD").endswith(b"\r\n\r\n")
