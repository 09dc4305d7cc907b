import posixpath
import string
import time
import unicodedata
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guard.wire.path import path_defect, query_defect
from tests.wire.public_vectors import public

PCHAR_BUT_SEMICOLON = (string.ascii_letters + string.digits + "-._~" + "!$&'()*+,=" + ":@").encode()


def paranoid(path: bytes) -> str:
    """The path as a backend sees it that undoes whatever it can: everything that any of our peers was caught doing."""
    text = unquote_to_bytes(unquote_to_bytes(path)).decode("utf-8", "replace")
    text = unicodedata.normalize("NFKC", text).replace("\\", "/").partition("#")[0].partition("?")[0].partition("\0")[0]
    segments = [segment.partition(";")[0].strip() for segment in text.split("/")]
    resolved = posixpath.normpath("/" + "/".join(segment for segment in segments if segment))
    return resolved.upper().lower()


def plainly_decoded(path: bytes) -> str:
    """The path as the one backend sees it that does no more than RFC 3986 asks: decode once."""
    text = unicodedata.normalize("NFKC", unquote_to_bytes(path).decode())
    return (text.rstrip("/") or "/").upper().lower()


@pytest.mark.parametrize(
    "path",
    [
        b"/",
        b"/v1/orders",
        b"/v1/orders/",
        b"/v1/orders/BTC-USD",
        b"/v1/.well-known/..x/x../...",
        b"/v1/a%20b",
        b"/v1/100%25",
        b"/v1/a%3Ab%26%2B%40",
        b"/v1/%E2%82%AC/%c3%a9",
        b"/v1/stra%C3%9Fe",
    ],
)
def test_paths_with_one_reading_pass(path: bytes) -> None:
    assert path_defect(path) is None


@pytest.mark.parametrize("byte", PCHAR_BUT_SEMICOLON)
def test_every_pchar_but_the_semicolon_may_stand_in_a_segment(byte: int) -> None:
    assert path_defect(b"/v1/x" + bytes([byte]) + b"y") is None
    assert path_defect(b"/v1/" + bytes([byte]) * 3) is None


@pytest.mark.parametrize("byte", sorted(set(range(256)) - set(PCHAR_BUT_SEMICOLON) - set(b"/%")))
def test_every_other_byte_is_refused(byte: int) -> None:
    assert path_defect(b"/v1/x" + bytes([byte]) + b"y") is not None


@pytest.mark.parametrize("byte", [*range(0x20), 0x7F, *b"/\\#;?", *b"AZaz09-._~"])
@pytest.mark.parametrize("form", [b"%%%02x", b"%%%02X"])
def test_separators_controls_and_unreserved_characters_are_refused_when_encoded(byte: int, form: bytes) -> None:
    assert path_defect(b"/v1/x" + form % byte + b"y") is not None


@pytest.mark.parametrize(
    ("path", "what"),
    [
        (b"", "slash"),
        (b"*", "slash"),
        (b"orders", "slash"),
        (b"http://gateway.test/v1", "slash"),
        (b"//v1", "empty segment"),
        (b"/v1//x", "empty segment"),
        (b"/v1//", "empty segment"),
        (b"/v1;a=b/x", "semicolon"),
        (b"/v1\\x", "byte"),
        (b"/v1/\xc3\xa9", "byte"),
        (b"/v1/..", "dot segment"),
        (b"/v1/.", "dot segment"),
        (b"/./v1", "dot segment"),
        (b"/v1/../x", "dot segment"),
        (b"/v1/%2", "malformed"),
        (b"/v1/%", "malformed"),
        (b"/v1/%zz", "malformed"),
        (b"/v1/%u002e", "malformed"),
        (b"/v1/%%32%66", "malformed"),
        (b"/v1/%2Fx", "separator"),
        (b"/v1/%5cx", "separator"),
        (b"/v1/%00", "control"),
        (b"/v1/%61", "needs no encoding"),
        (b"/v1/%2e%2e/x", "needs no encoding"),
        (b"/v1/%252f", "twice"),
        (b"/v1/%25u002f", "twice"),
        (b"/v1/%C0%AF", "UTF-8"),
        (b"/v1/%ED%A0%80", "UTF-8"),
        (b"/v1/%FF", "UTF-8"),
        (b"/v1/..%20/x", "white space"),
        (b"/v1/%20x", "white space"),
        (b"/v1/x%C2%A0", "white space"),
        (b"/v1/%EF%BC%8E%EF%BC%8E/x", "ASCII"),
        (b"/v1/%EF%BC%8Fx", "ASCII"),
        (b"/adm%C4%B1n", "ASCII"),
        (b"/%E2%84%AAeys", "ASCII"),
    ],
)
def test_spellings_with_two_readings_are_refused_and_named(path: bytes, what: str) -> None:
    defect = path_defect(path)
    assert defect is not None
    assert defect.code == "request.bad_path"
    assert what in defect.detail


def test_no_published_bypass_spelling_reaches_the_protected_path() -> None:
    corpus = public("paths/bypass.json", "devploit/nomore403")
    protected = corpus["protected"]
    assert len(corpus["cases"]) == 678
    for case in corpus["cases"]:
        path = case["path"].encode().partition(b"?")[0]
        if path_defect(path) is None:
            assert paranoid(path) == plainly_decoded(path), path
            reaches = paranoid(path) == protected
            assert reaches == (path.lower().rstrip(b"/") == protected.encode()), path


def test_every_row_of_the_normalisation_tables_is_refused_or_already_normal() -> None:
    for case in public("paths/normalisation_tables.json", "traefik, nginx and caddy"):
        path = case["path"].encode().partition(b"?")[0]
        refused = path_defect(path) is not None
        assert refused or (case.get("status") != "BadRequest" or "%25" in case["path"]), case
        if not refused:
            assert case.get("normalised", case["path"]) in (case["path"], None), case
            assert paranoid(path) == plainly_decoded(path)


def test_no_traversal_of_fuzzdb_leaves_its_folder() -> None:
    corpus = public("paths/fuzzdb.json", "fuzzdb-project/fuzzdb")
    for spelling in corpus["traversals"] + corpus["crlf"]:
        path = b"/open/" + spelling.encode().lstrip(b"/").partition(b"?")[0]
        if path_defect(path) is None:
            assert paranoid(path) == plainly_decoded(path), path
            assert paranoid(path).startswith("/open/"), path


PIECES = [
    "/",
    "//",
    ".",
    "..",
    "%2e",
    "%2F",
    "%252f",
    "%5c",
    "\\",
    ";x",
    "%3b",
    "a",
    "A",
    "%61",
    "%20",
    "%C3%A9",
    "é",
    "#",
]


@given(st.lists(st.sampled_from([*PIECES, "%25", "%ef%bc%8e", "?", "%00", "~", "@", "orders"]), max_size=12))
@example(["a", "%25", "%25", "a"])
def test_an_accepted_path_means_the_same_to_the_most_helpful_backend(pieces: list[str]) -> None:
    path = ("/" + "".join(pieces)).encode()
    if path_defect(path) is None:
        assert paranoid(path) == plainly_decoded(path)


@given(st.binary(max_size=60))
def test_any_bytes_get_an_answer(path: bytes) -> None:
    path_defect(path)
    query_defect(path)


@pytest.mark.parametrize("query", [None, b"", b"a=1&b=2", b"a=%23%00%ff&b=%zz", b'q=[{"x":1}]&r=a/b?c;d+e|f\\'])
def test_queries_of_visible_ascii_pass_undecoded(query: bytes | None) -> None:
    assert query_defect(query) is None


@pytest.mark.parametrize("byte", [*range(0x21), ord("#"), *range(0x7F, 0x100)])
def test_queries_with_controls_blanks_fragments_or_other_bytes_are_refused(byte: int) -> None:
    defect = query_defect(b"a=" + bytes([byte]) + b"&b=2")
    assert defect is not None
    assert defect.code == "request.malformed"


@pytest.mark.parametrize(
    "hostile",
    [
        b"/" + b"a" * 65_535 + b";",
        b"/a" * 32_768 + b"//",
        b"/" * 65_536,
        b"/." * 32_768,
        b"/." + b"." * 65_534 + b"/..",
        b"/%20" * 16_384,
        b"/" + b"%C3%A9" * 10_922,
        b"/" + b"%CC%81%CC%A3" * 5_461,
        b"/" + b"%25" * 21_845,
        b"/" + b"%" * 65_535,
        b"/" + b"%c3" * 21_845,
        b"/" + b"".join(b"%%E4%%%02X%%%02X" % (0xB8 + i // 64, 0x80 + i % 64) for i in range(512)) * 14,
    ],
    ids=range(12),
)
@pytest.mark.parametrize("judge", [path_defect, query_defect])
def test_hostile_targets_cost_linear_time(judge: Callable[[bytes], object], hostile: bytes) -> None:
    begun = time.process_time()
    judge(hostile)
    assert time.process_time() - begun < 0.5
