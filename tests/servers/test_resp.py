"""RESP as redis.io's protocol specification writes it."""

import pytest

from tests.servers.resp import RedisError, Reply, decoded, encoded, is_push


def test_a_command_is_an_array_of_bulk_strings() -> None:
    assert encoded("SET", b"a\r\n", 12) == b"*3\r\n$3\r\nSET\r\n$3\r\na\r\n\r\n$2\r\n12\r\n"


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (b"+OK\r\n", b"OK"),
        (b":-3\r\n", -3),
        (b"$2\r\n\r\n\r\n", b"\r\n"),
        (b"$-1\r\n", None),
        (b"*-1\r\n", None),
        (b"_\r\n", None),
        (b"#t\r\n", 1),
        (b"#f\r\n", 0),
        (b",1.5\r\n", b"1.5"),
        (b"(12345\r\n", b"12345"),
        (b"=6\r\ntxt:ab\r\n", b"txt:ab"),
        (b"*2\r\n:1\r\n*1\r\n+a\r\n", [1, [b"a"]]),
        (b"%1\r\n+a\r\n:1\r\n", [b"a", 1]),
        (b"~1\r\n:1\r\n", [1]),
        (b">2\r\n+message\r\n+a\r\n", [b"message", b"a"]),
    ],
)
def test_a_value_is_decoded_once_it_is_whole_and_not_before(written: bytes, value: Reply) -> None:
    assert decoded(b"--" + written + b"+", 2) == (value, len(written) + 2)
    for length in range(len(written)):
        assert decoded(written[:length], 0) is None


@pytest.mark.parametrize("written", [b"-ERR no\r\n", b"!6\r\nERR no\r\n"])
def test_an_error_is_told_from_a_string(written: bytes) -> None:
    whole = decoded(written, 0)
    assert whole is not None
    assert isinstance(whole[0], RedisError)
    assert str(whole[0]) == "ERR no"


def test_what_is_no_resp_is_said_to_be_none() -> None:
    with pytest.raises(ValueError, match="not RESP"):
        decoded(b"HTTP/1.1 400\r\n", 0)


def test_what_comes_unasked_is_told_from_a_reply() -> None:
    assert is_push(b">1\r\n+a\r\n", 0)
    assert not is_push(b"*1\r\n+a\r\n", 0)
