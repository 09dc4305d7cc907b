"""Commands as Redis reads them."""

from guard.state.redis.command import call, command


def test_a_command_counts_its_words_and_their_bytes() -> None:
    assert command(b"SET", "k\u00e9y", 12) == b"*3\r\n$3\r\nSET\r\n$4\r\nk\xc3\xa9y\r\n$2\r\n12\r\n"


def test_a_call_declares_its_keys_before_its_arguments() -> None:
    assert call(b"0a", [b"k1", b"k2"], (b"x",)) == command(b"EVALSHA", b"0a", 2, b"k1", b"k2", b"x")
