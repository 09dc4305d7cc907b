"""The proxy cuts no message in two, and matches answers to what was asked."""

import pytest

from tests.faults.wires import Answered, Asked, Kind, Opaque, Postgres, Resp
from tests.servers.resp import encoded


def _in_pieces(content: bytes) -> list[bytes]:
    return [content[at : at + 1] for at in range(len(content))]


def test_each_redis_command_is_one_part_however_it_arrives() -> None:
    commands = encoded("EVALSHA", "a" * 40, 1, "{acme}", "\r\n"), encoded("get", "a")
    for pieces in ([b"".join(commands)], _in_pieces(b"".join(commands))):
        wire = Resp()
        parts = [part for piece in pieces for part in wire.asked(piece)]
        assert parts == [Asked(commands[0], "EVALSHA"), Asked(commands[1], "GET")]


def test_each_redis_reply_ends_an_answer_and_a_push_ends_none() -> None:
    replies = b"*2\r\n:1\r\n$2\r\n\r\n\r\n", b"-ERR no\r\n", b">2\r\n+invalidate\r\n*0\r\n"
    for pieces in ([b"".join(replies)], _in_pieces(b"".join(replies))):
        wire = Resp()
        parts = [part for piece in pieces for part in wire.answered(piece)]
        assert parts == [Answered(replies[0], ends=True), Answered(replies[1], ends=True), Answered(replies[2])]


@pytest.mark.parametrize(
    ("command", "kind"),
    [("subscribe", Kind.HEARS), ("PSUBSCRIBE", Kind.HEARS), ("SSUBSCRIBE", Kind.HEARS), ("PSYNC", Kind.COPIES)],
)
def test_a_connection_that_subscribes_or_copies_is_passed_on_as_it_comes(command: str, kind: Kind) -> None:
    wire = Resp()
    words, rest = encoded(command, "news"), b"*1\r\n$4\r\nPI"
    assert wire.asked(words + rest) == [Asked(words), Asked(rest)]
    assert wire.kind is kind
    assert wire.answered(b"$100\r\nRDB") == [Answered(b"$100\r\nRDB")]


_START = (9).to_bytes(4) + (196608).to_bytes(4) + b"\0"
_SSL = (8).to_bytes(4) + (80877103).to_bytes(4)
_CANCEL = (16).to_bytes(4) + (80877102).to_bytes(4) + bytes(8)


def _message(kind: bytes, content: bytes = b"") -> bytes:
    return kind + (4 + len(content)).to_bytes(4) + content


def test_a_postgres_request_is_named_by_its_statement_and_ends_where_the_server_must_answer() -> None:
    password = _message(b"p", b"secret\0")
    simple = _message(b"Q", b" commit;\0")
    parse, bind = _message(b"P", b"s1\0INSERT into t values ($1)\0\0\0"), _message(b"B", b"\0s1\0")
    run, sync = _message(b"E", b"\0\0\0\0\0"), _message(b"S")
    asked = [
        *(Asked(_SSL), Asked(_START, "STARTUP"), Asked(password), Asked(simple, "COMMIT")),
        *(Asked(parse), Asked(bind), Asked(run), Asked(sync, "INSERT")),
        *(Asked(bind), Asked(run), Asked(sync, "EXECUTE")),
    ]
    sent = b"".join(part.content for part in asked)
    for pieces in ([sent], _in_pieces(sent)):
        wire = Postgres()
        assert [part for piece in pieces for part in wire.asked(piece)] == asked


def test_a_postgres_answer_ends_with_ready_for_query() -> None:
    wire = Postgres()
    wire.asked(_SSL + _START)
    done, ready = _message(b"C", b"COMMIT\0"), _message(b"Z", b"I")
    sent = b"N" + done + ready
    for at in range(len(sent)):
        other = Postgres()
        other.asked(_SSL + _START)
        parts = [*other.answered(sent[:at]), *other.answered(sent[at:])]
        assert parts == [Answered(b"N"), Answered(done), Answered(ready, ends=True)]


def test_a_cancel_request_is_owed_nothing() -> None:
    assert Postgres().asked(_CANCEL) == [Asked(_CANCEL)]


def test_of_opaque_bytes_nothing_is_understood() -> None:
    assert Opaque().asked(b"GET") == [Asked(b"GET")]
    assert Opaque().answered(b"OK") == [Answered(b"OK")]
