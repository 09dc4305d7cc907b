import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.model.audit import AuditRecord, Checkpoint, Subject
from guard.wire.audit_lines import (
    CheckpointLine,
    RecordLine,
    checkpoint_line,
    document_of,
    read_line,
    record_line,
    value_of,
)

_ZEROS = "0" * 64
_SIGNATURE = b"A" * 86 + b"=="


def record(**changes: Any) -> AuditRecord:
    fields: dict[str, Any] = {
        "number": 1,
        "previous": _ZEROS,
        "revision": None,
        "at_ms": 1_800_000_000_000,
        "actor": "alice",
        "origin": "cli desk",
        "command": "create",
        "subject": Subject("key", "k1"),
        "why": "",
        "before": None,
        "after": None,
    }
    return AuditRecord(**{**fields, **changes})


def test_record_is_this_document() -> None:
    full = record(number=7, revision=3, why='é"\n\x7f\u2028😀', after={"label": "x", "account": "acme"})
    assert document_of(full) == (
        b'{"actor":"alice","after":{"account":"acme","label":"x"},"at_ms":1800000000000,"before":null,'
        b'"command":"create","from":"cli desk","number":7,"previous":"' + _ZEROS.encode() + b'","revision":3,'
        b'"subject":{"id":"k1","kind":"key"},"version":1,"why":"\\u00e9\\"\\n\\u007f\\u2028\\ud83d\\ude00"}'
    )


def test_checkpoint_is_this_document() -> None:
    checkpoint = Checkpoint(count=2, hash=_ZEROS, at_ms=5, key="00ff00ff00ff00ff")
    assert document_of(checkpoint) == (
        b'{"at_ms":5,"count":2,"hash":"' + _ZEROS.encode() + b'","key":"00ff00ff00ff00ff","version":1}'
    )


@given(st.text(), st.text(), st.dictionaries(st.text(), st.text()))
def test_any_text_is_one_line_of_printable_ascii_and_comes_back(why: str, actor: str, after: dict[str, str]) -> None:
    told = record(why=why, actor=actor, after=after)
    document = document_of(told)
    assert document.isascii()
    assert document.decode().isprintable()
    assert value_of(document, AuditRecord) == told


def test_lone_surrogate_becomes_the_replacement_character() -> None:
    came_back = value_of(document_of(record(why="a\udcffb")), AuditRecord)
    assert came_back is not None
    assert came_back.why == "a\ufffdb"


def test_lines_are_json_and_carry_documents_unchanged() -> None:
    document = document_of(record(why='"},"record":{'))
    line = record_line(document, _ZEROS)
    assert json.loads(line) == {"hash": _ZEROS, "record": json.loads(document)}
    assert read_line(line) == read_line(line + b"\n") == RecordLine(document, _ZEROS)
    signed = document_of(Checkpoint(count=1, hash=_ZEROS, at_ms=5, key="k"))
    line = checkpoint_line(signed, _SIGNATURE)
    assert json.loads(line) == {"checkpoint": json.loads(signed), "signature": _SIGNATURE.decode()}
    assert read_line(line) == CheckpointLine(signed, _SIGNATURE)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"null",
        record_line(b"[]", _ZEROS),
        record_line(b"{}", _ZEROS[1:]),
        record_line(b"{}", "A" * 64),
        record_line(b"{}", _ZEROS) + b"\n\n",
        record_line(b"{}", _ZEROS) + b"\r",
        record_line(b"{\x80}", _ZEROS),
        record_line(b"{\n}", _ZEROS),
        b" " + record_line(b"{}", _ZEROS),
        checkpoint_line(b"{}", _SIGNATURE[1:]),
        checkpoint_line(b"{}", _SIGNATURE[1:] + b"="),
    ],
)
def test_nothing_else_is_a_line(line: bytes) -> None:
    assert read_line(line) is None


@pytest.mark.parametrize("document", [b"{}", b"", b"[]", b'{"version":1}', b"[" * 100_000, b'{"a":"\\ud800"}'])
def test_what_is_no_document_is_none(document: bytes) -> None:
    assert value_of(document, AuditRecord) is None
    assert value_of(document, Checkpoint) is None


def test_document_with_a_member_too_many_is_none() -> None:
    more = msgspec.to_builtins(record()) | {"extra": 1}
    assert value_of(msgspec.json.encode(more), AuditRecord) is None
