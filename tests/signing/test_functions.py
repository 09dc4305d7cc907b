"""Each function against a value from elsewhere: RFC 4231, RFC 6234, RFC 4648, or written by hand."""

import pytest

from guard.signing.functions import DOCUMENT_FUNCTIONS, FUNCTIONS, BaseFault


def _apply(name: str, *arguments: bytes) -> bytes:
    return FUNCTIONS[name].apply(*arguments)


@pytest.mark.parametrize(
    ("name", "arguments", "result"),
    [
        ("hex", (b"\x00\xff",), b"00ff"),
        ("base64", (b"\xfb\xff\xbf",), b"+/+/"),
        ("b64decode", (b"+/+/",), b"\xfb\xff\xbf"),
        ("concat", (b"a", b"", b"b"), b"ab"),
        ("join", (b"\x01", b"a", b"", b"b"), b"a\x01\x01b"),
        ("upper", (b"aB",), b"AB"),
        ("lower", (b"aB",), b"ab"),
        ("urldecode", (b"a%3Db+c",), b"a=b+c"),
        ("strip_prefix", (b"/derivatives/api/v3", b"/derivatives"), b"/api/v3"),
        ("strip_prefix", (b"/api/v3", b"/derivatives"), b"/api/v3"),
        ("prefix_if", (b"?", b"a=1"), b"?a=1"),
        ("prefix_if", (b"?", b""), b""),
        ("without", (b"a=1&s=2", b"s"), b"a=1"),
        ("split", (b"12.34.56", b".", b"1"), b"34"),
    ],
)
def test_a_function_does_what_its_name_says(name: str, arguments: tuple[bytes, ...], result: bytes) -> None:
    assert _apply(name, *arguments) == result


def test_hashes_join_their_arguments() -> None:
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # RFC 6234, FIPS 180-4
    assert _apply("sha256", b"a", b"b", b"c").hex() == abc
    long = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
    assert _apply("sha512", b"ab", b"c").hex().startswith(long)


def test_hmac_is_that_of_rfc_4231() -> None:
    mac = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert _apply("hmac_sha256", b"Jefe", b"what do ya want for nothing?").hex() == mac


@pytest.mark.parametrize(
    ("name", "arguments"), [("b64decode", (b"AB==",)), ("urldecode", (b"%",)), ("split", (b"a", b".", b"1"))]
)
def test_what_cannot_be_read_is_a_fault_of_the_message(name: str, arguments: tuple[bytes, ...]) -> None:
    with pytest.raises(BaseFault):
        _apply(name, *arguments)


def test_the_list_is_the_one_that_profiles_were_promised() -> None:
    assert set(FUNCTIONS) | set(DOCUMENT_FUNCTIONS) == {
        "sha256",
        "sha512",
        "hex",
        "base64",
        "b64decode",
        "hmac_sha256",
        "concat",
        "join",
        "upper",
        "lower",
        "urldecode",
        "strip_prefix",
        "prefix_if",
        "without",
        "sorted_pairs",
        "raw_json",
        "split",
    }
