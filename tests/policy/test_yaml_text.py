import pytest

from guard.policy.yaml_text import FILE_BYTES_MAX, text_of


def faults(content: bytes) -> list[tuple[str, int, int]]:
    result = text_of(content, "p.yaml")
    assert not isinstance(result, str)
    return [(fault.code, fault.line, fault.column) for fault in result]


def test_crlf_is_lf() -> None:
    assert text_of(b"a: 1\r\nb: 2\r\n", "p.yaml") == "a: 1\nb: 2\n"


def test_letters_of_any_script_may_stand_in_a_comment() -> None:
    assert text_of("# Über 注文 Ж 🚀\n".encode(), "p.yaml") == "# Über 注文 Ж 🚀\n"


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfa: 1", "a: 1".encode("utf-16"), b"\xfe\xff\x00a"])
def test_a_byte_order_mark_is_refused(content: bytes) -> None:
    assert faults(content) == [("Y002", 1, 1)]


def test_bytes_that_are_not_utf8_are_found_where_they_stand() -> None:
    assert faults("é: 1\nb: é".encode() + b"\xff") == [("Y002", 2, 5)]


@pytest.mark.parametrize(
    "character",
    [
        "\0",
        "\x1b",
        "\x7f",
        "\r",
        "\x85",
        "\xa0",
        "\xad",
        "\u200b",
        "\u200d",
        "\u2028",
        "\u2029",
        "\u202e",
        "\u2066",
        "\ufeff",
        "\U000e0041",
    ],
)
def test_a_character_that_cannot_be_seen_is_refused(character: str) -> None:
    assert faults(f"a: 1\nb: x{character}y\n".encode()) == [("Y003", 2, 5)]


def test_a_tab_is_refused_wherever_it_stands() -> None:
    assert faults(b"a:\n\tb: 1 # x\n") == [("Y005", 2, 1)]


def test_each_line_is_told_once_and_not_more_than_twenty() -> None:
    assert len(faults(b"\t\t\n" * 100)) == 20


def test_a_file_of_exactly_one_mebibyte_is_read_and_one_byte_more_is_not() -> None:
    assert isinstance(text_of(b"#" * FILE_BYTES_MAX, "p.yaml"), str)
    assert faults(b"#" * (FILE_BYTES_MAX + 1)) == [("Y014", 0, 0)]
