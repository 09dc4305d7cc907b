import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guard.signing.encodings import decode, decode_base64, percent_decode
from guard.signing.scheme import Encoding


@pytest.mark.parametrize("text", [b"00ff", b"00FF", b"00Ff"])
def test_hexadecimal_is_read_in_either_case(text: bytes) -> None:
    assert decode(Encoding.HEX, text) == b"\x00\xff"


@pytest.mark.parametrize("text", [b"0", b"00 ff", b" 00ff", b"00ff\n", b"0x00", b"00fg", b"\xd9\xa1\xd9\xa2", b"+0"])
def test_hexadecimal_with_anything_else_is_refused(text: bytes) -> None:
    assert decode(Encoding.HEX, text) is None


@pytest.mark.parametrize(
    ("text", "content"), [(b"", b""), (b"AA==", b"\0"), (b"AAE=", b"\0\1"), (b"+/+/", b"\xfb\xff\xbf")]
)
def test_base64_is_read(text: bytes, content: bytes) -> None:
    assert decode(Encoding.BASE64, text) == content


@pytest.mark.parametrize(
    "text",
    [
        b"AA",
        b"AA=",
        b"AA== ",
        b"AA==\n",
        b" AA==",
        b"A A==",
        b"AB==",
        b"AAF=",
        b"-_-_",
        b"AA==AA==",
        b"====",
        b"A",
        b"AAA=A",
    ],
)
def test_base64_that_is_not_canonical_is_refused(text: bytes) -> None:
    assert decode(Encoding.BASE64, text) is None


def test_base64url_is_read_without_padding() -> None:
    assert decode(Encoding.BASE64URL, b"-_8") == b"\xfb\xff"


@pytest.mark.parametrize("text", [b"-_8=", b"+/8", b"-_9", b"A", b"AB"])
def test_base64url_that_is_not_canonical_is_refused(text: bytes) -> None:
    assert decode(Encoding.BASE64URL, text) is None


def test_raw_is_what_was_received() -> None:
    assert decode(Encoding.RAW, b" \xff") == b" \xff"


@given(st.binary(max_size=80))
@example(bytes(8))  # found by make fuzz: a tail of three whose first two are a tail as well
def test_every_content_has_exactly_the_text_that_encoders_write(content: bytes) -> None:
    assert decode(Encoding.HEX, content.hex().encode()) == content
    assert decode_base64(base64.b64encode(content)) == content
    assert decode(Encoding.BASE64URL, base64.urlsafe_b64encode(content).rstrip(b"=")) == content


@given(st.text("ABab01+/-_= \n", max_size=12))
def test_two_texts_never_mean_the_same(text: str) -> None:
    content = decode_base64(text.encode())
    assert content is None or base64.b64encode(content) == text.encode()


@pytest.mark.parametrize(
    ("text", "content"), [(b"a%2Fb%2b", b"a/b+"), (b"a+b", b"a+b"), (b"%25%32", b"%2"), (b"", b"")]
)
def test_percent_encoding_is_undone_once_and_plus_stays(text: bytes, content: bytes) -> None:
    assert percent_decode(text) == content


@pytest.mark.parametrize("text", [b"%", b"%2", b"a%zz", b"%%41"])
def test_a_percent_sign_alone_is_refused(text: bytes) -> None:
    assert percent_decode(text) is None
