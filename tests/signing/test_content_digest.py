import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.signing.content_digest import content_digest_matches, is_content_digest, make_content_digest

# RFC 9530 appendix D: the content is {"hello": "world"} and a line feed.
_HELLO = b"sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
_BODY = b'{"hello": "world"}\n'


def test_a_digest_is_that_of_the_standard() -> None:
    assert is_content_digest(_HELLO)
    assert make_content_digest(_BODY) == _HELLO
    assert content_digest_matches(_HELLO, _BODY)


def test_another_body_does_not_match() -> None:
    assert not content_digest_matches(_HELLO, _BODY + b" ")
    assert not content_digest_matches(_HELLO, b"")


@pytest.mark.parametrize(
    "value",
    [
        b"",
        _HELLO + b" ",
        b" " + _HELLO,
        _HELLO + b"\n",
        _HELLO + b", " + _HELLO,
        _HELLO + b";x=1",
        _HELLO.upper(),
        _HELLO.replace(b"sha-256", b"SHA-256"),
        _HELLO.replace(b"sha-256", b"sha-512"),
        _HELLO.replace(b"bDg=", b"bDh="),
        _HELLO.replace(b"=:", b":"),
        _HELLO[8:],
        _HELLO.replace(b"/", b"_"),
        b"sha-256=::",
        _HELLO + b",sha-512=:AAAA:",
    ],
)
def test_any_other_writing_is_no_digest(value: bytes) -> None:
    assert not is_content_digest(value)
    assert not content_digest_matches(value, _BODY)


@given(st.binary(max_size=64))
def test_every_body_matches_its_own_digest_only(body: bytes) -> None:
    assert content_digest_matches(make_content_digest(body), body)
    assert not content_digest_matches(make_content_digest(body), body + b"\0")
