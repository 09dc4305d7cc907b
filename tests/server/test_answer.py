"""The bytes of answers: their end is sure, and what contradicts itself is never sent."""

import re
from typing import Any

import pytest

from guard.server.answer import Answer, date_line

_DATE = (b"date", b"now")


def _sent(*parts: bytes, verb: str = "GET", version: str = "1.1", status: int = 200, fields: Any = ()) -> bytes:
    answer = Answer(verb, version, closes=version == "1.0")
    answer.start(status, [_DATE, *fields])
    out = [b"".join(answer.part(part, more=number < len(parts))) for number, part in enumerate(parts, 1)]
    assert answer.complete
    return b"".join(out)


_HEAD = b"HTTP/1.1 200 OK\r\ndate: now\r\n"


def test_a_length_is_kept() -> None:
    assert _sent(b"ab", b"cd", fields=[(b"Content-Length", b"4")]) == _HEAD + b"content-length: 4\r\n\r\nabcd"


def test_an_answer_in_one_part_gets_its_length() -> None:
    assert _sent(b"abc") == _HEAD + b"content-length: 3\r\n\r\nabc"
    assert _sent(b"") == _HEAD + b"content-length: 0\r\n\r\n"


def test_an_answer_in_parts_is_chunked_and_an_empty_part_is_no_end() -> None:
    chunked = _HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"
    assert _sent(b"abc", b"", b"d", fields=[(b"transfer-encoding", b"gzip")]) == chunked


def test_http_1_0_gets_no_chunks_but_the_end_of_the_connection() -> None:
    assert _sent(b"a", b"b", version="1.0") == _HEAD + b"connection: close\r\n\r\nab"


@pytest.mark.parametrize("fields", [[], [(b"content-length", b"5")]])
def test_the_answer_to_head_has_no_body(fields: Any) -> None:
    length = b"content-length: 5\r\n" if fields else b""
    assert _sent(b"hello", b"", verb="HEAD", fields=fields) == _HEAD + length + b"\r\n"


def test_204_has_neither_body_nor_length_and_304_no_body() -> None:
    length = [(b"content-length", b"5")]
    assert _sent(b"hello", status=204, fields=length) == b"HTTP/1.1 204 No Content\r\ndate: now\r\n\r\n"
    assert _sent(b"", status=304, fields=length).endswith(b"date: now\r\ncontent-length: 5\r\n\r\n")


def test_the_application_can_end_the_connection() -> None:
    assert b"connection: close\r\n" in _sent(b"", fields=[(b"Connection", b"Close")])
    assert b"connection" not in _sent(b"", fields=[(b"connection", b"keep-alive"), (b"keep-alive", b"timeout=5")])


def test_a_date_is_added_where_there_is_none() -> None:
    answer = Answer("GET", "1.1", closes=False)
    answer.start(200, ())
    (content,) = answer.part(b"", more=False)
    assert re.search(rb"\r\ndate: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n", content)
    assert date_line().startswith(b"date: ")


def test_a_large_body_is_not_copied_behind_its_head() -> None:
    answer = Answer("GET", "1.1", closes=False)
    answer.start(599, ())
    head, body = answer.part(b"x" * 70_000, more=False)
    assert head.startswith(b"HTTP/1.1 599 \r\n")
    assert len(body) == 70_000


@pytest.mark.parametrize(
    "fields",
    [
        [(b"a", b"b\r\nset-cookie: c")],
        [(b"a\r\nb", b"c")],
        [(b"a", b"b\n")],
        [(b"a", b"\0")],
        [(b"content-length", b"x")],
        [(b"content-length", b"1"), (b"content-length", b"1")],
        [(b"content-length", b"2")],
        [(b"content-length", b"0")],
    ],
)
def test_an_answer_that_contradicts_itself_is_a_value_error(fields: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        _sent(b"a", fields=fields)


def test_too_much_and_too_little_body_are_found_in_later_parts() -> None:
    for last in (b"bc", b""):
        with pytest.raises(ValueError, match="content-length"):
            _sent(b"a", last, fields=[(b"content-length", b"2")])


@pytest.mark.parametrize("status", [101, 100, 600, 0])
def test_only_a_final_status_starts_an_answer(status: int) -> None:
    with pytest.raises(ValueError, match="status"):
        Answer("GET", "1.1", closes=False).start(status, ())


def test_an_answer_has_one_start_and_one_end() -> None:
    answer = Answer("GET", "1.1", closes=False)
    with pytest.raises(ValueError, match="between"):
        answer.part(b"", more=False)
    answer.start(200, ())
    with pytest.raises(ValueError, match="status"):
        answer.start(200, ())
    answer.part(b"", more=False)
    with pytest.raises(ValueError, match="between"):
        answer.part(b"", more=False)


def test_a_whole_answer_is_what_its_parts_would_be() -> None:
    fields = ((b"a", b"b"), (b"date", b"now"))
    parts, whole = Answer("GET", "1.1", closes=False), Answer("GET", "1.1", closes=False)
    parts.start(200, fields)
    assert whole.whole(200, [b": ".join(field) for field in fields], b"hi") == parts.part(b"hi", more=False)
    assert (whole.started, whole.complete) == (True, True)


def test_a_whole_answer_has_a_date_and_says_that_it_is_the_last() -> None:
    [content] = Answer("POST", "1.1", closes=True).whole(201, [b"a: b"], b"")
    assert b"\r\ndate: " in content
    assert content.endswith(b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")


def test_a_large_whole_answer_is_not_copied() -> None:
    body = b"x" * 100_000
    assert Answer("GET", "1.1", closes=False).whole(200, [], body)[1] is body


@pytest.mark.parametrize(
    ("verb", "status", "line"),
    [("HEAD", 200, b"a: b"), ("GET", 204, b"a: b"), ("GET", 304, b"a: b"), ("GET", 200, b"a: b\r\nc: d")],
)
def test_no_whole_answer_is_made_of_what_has_no_body_or_hides_a_line(verb: str, status: int, line: bytes) -> None:
    answer = Answer(verb, "1.1", closes=False)
    with pytest.raises(ValueError, match=r"answer"):
        answer.whole(status, [line], b"")
    assert not answer.started
