import pytest

from guard.signing.parameters import lookalike, media_type, pairs, without
from tests.build import facts


def test_parameters_are_split_and_not_decoded() -> None:
    assert pairs(b"a=1&b=%20&c&&=x&a=2=3") == [
        (b"a", b"1"),
        (b"b", b"%20"),
        (b"c", b""),
        (b"", b""),
        (b"", b"x"),
        (b"a", b"2=3"),
    ]
    assert pairs(b"") == []


@pytest.mark.parametrize(
    ("raw", "rest"),
    [
        (b"signature=x", b""),
        (b"a=1&signature=x", b"a=1"),
        (b"signature=x&a=1", b"a=1"),
        (b"a=1&signature=x&b=2", b"a=1&b=2"),
        (b"a=1&&signature", b"a=1&"),
        (b"signatures=x&Signature=y&%73ignature=z", b"signatures=x&Signature=y&%73ignature=z"),
        (b"", b""),
    ],
)
def test_without_drops_exactly_the_parameter_of_that_name(raw: bytes, rest: bytes) -> None:
    assert without(raw, b"signature") == rest


@pytest.mark.parametrize("name", [b"signature", b"%73ignature", b"signatur%65"])
def test_a_lookalike_is_what_a_decoder_would_read(name: bytes) -> None:
    assert lookalike(name) == b"signature"


def test_a_plus_is_a_blank_to_a_decoder() -> None:
    assert lookalike(b"a+b") == b"a b"


@pytest.mark.parametrize(
    ("said", "type_"),
    [
        ([b"Application/JSON; charset=utf-8"], b"application/json"),
        ([b"text/plain"], b"text/plain"),
        ([], b""),
        ([b"application/json", b"application/json"], b""),
    ],
)
def test_the_media_type_counts_only_if_said_once(said: list[bytes], type_: bytes) -> None:
    assert media_type(facts(fields=tuple((b"content-type", value) for value in said))) == type_
