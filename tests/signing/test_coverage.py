from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.model.claims import ClaimFault
from guard.model.facts import Facts
from guard.signing.content_digest import make_content_digest
from guard.signing.coverage import uncovered
from tests.build import facts, profile, scheme
from tests.signing.dialects import KEYED, compiled

_FORM = (b"content-type", b"application/x-www-form-urlencoded")
_DIGEST = make_content_digest(b"body")


def _shaped(**shape: str) -> Any:
    return compiled(KEYED, shape=shape)


def _refused(shape: dict[str, str], message: Facts) -> bool:
    fault = uncovered(_shaped(**shape), message)
    assert fault is None or fault.code == "request.malformed"
    assert uncovered(_shaped(), message) is None, "nothing is refused unless a profile says so"
    return fault is not None


@pytest.mark.parametrize(
    ("shape", "verb", "query", "body", "refused"),
    [
        ("get_body", "GET", None, b"x", True),
        ("get_body", "HEAD", None, None, True),
        ("get_body", "GET", b"a=1", b"", False),
        ("get_body", "POST", None, b"x", False),
        ("body", "POST", None, b"x", True),
        ("body", "POST", None, None, True),
        ("body", "POST", b"a=1", b"", False),
        ("query", "GET", b"a=1", b"", True),
        ("query", "GET", b"", b"", True),
        ("query", "GET", None, b"x", False),
        ("post_query", "POST", b"a=1", b"", True),
        ("post_query", "DELETE", b"a=1", b"", True),
        ("post_query", "GET", b"a=1", b"", False),
        ("post_query", "POST", None, b"", False),
        ("query_and_body", "POST", b"a=1", b"x", True),
        ("query_and_body", "POST", b"a=1", None, True),
        ("query_and_body", "POST", b"", b"x", True),
        ("query_and_body", "POST", b"a=1", b"", False),
        ("query_and_body", "POST", None, b"x", False),
        ("query_encoded_delims", "GET", b"a=x%26b", b"", True),
        ("query_encoded_delims", "GET", b"a=x%3db", b"", True),
        ("query_encoded_delims", "GET", b"a=x%3Db", b"", True),
        ("query_encoded_delims", "GET", b"a=x%23b", b"", True),
        ("query_encoded_delims", "GET", b"a=x%2526b", b"", True),
        ("query_encoded_delims", "GET", b"a=x%2Fb", b"", False),
        ("duplicate_params", "GET", b"a=1&a=1", b"", True),
        ("duplicate_params", "GET", b"a=1&%61=2", b"", True),
        ("duplicate_params", "GET", b"a=1&A=2&b", b"", False),
        ("duplicate_params", "POST", b"a=1", b"a=1", True),
        ("duplicate_params", "POST", None, b"a=1&a=2", True),
        ("duplicate_params", "POST", b"a=1", b"b=1", False),
        ("duplicate_params", "POST", b"a=1", None, False),
    ],
)
def test_a_part_that_the_shape_refuses_is_refused(
    shape: str,
    verb: str,
    query: bytes | None,
    body: bytes | None,
    refused: bool,  # noqa: FBT001  # a table
) -> None:
    assert _refused({shape: "refuse"}, facts(verb, query=query, body=body, fields=(_FORM,))) is refused


def test_parameters_of_a_body_that_is_no_form_are_not_compared() -> None:
    assert not _refused({"duplicate_params": "refuse"}, facts(body=b"a=1&a=1"))


@pytest.mark.parametrize(
    ("query", "refused"),
    [
        (b"a=%20x&b=!$'()*,;:@/?-._~", False),
        (b"", False),
        (b"a=%2", True),
        (b"a=%zz", True),
        (b"a=b c", True),
        (b'a="', True),
        (b"a=\xff", True),
        (b"a=[1]", True),
        (b"a=1\n", True),
        (b"a=#", True),
        (b"a=\\", True),
    ],
)
def test_a_query_keeps_to_the_characters_of_the_standard(query: bytes, refused: bool) -> None:  # noqa: FBT001  # a table
    assert _refused({"query_charset": "rfc3986"}, facts(query=query)) is refused


@pytest.mark.parametrize(
    ("query", "refused"),
    [(b"ab=1&_c=2", False), (b"%61b=1", True), (b"0=1", True), (b"a=1&&b=1", True), (b"a+b=1", True)],
)
def test_names_of_parameters_keep_to_their_form(query: bytes, refused: bool) -> None:  # noqa: FBT001  # a table
    names = {"query_names": "[A-Za-z_][A-Za-z0-9_]{0,63}"}
    assert _refused(names, facts(query=query)) is refused
    assert _refused(names, facts(body=query, fields=(_FORM,))) is refused


def test_a_parameter_may_come_twice_where_only_its_name_is_of_interest() -> None:
    assert not _refused({"query_names": "[a-z]{1,9}"}, facts(query=b"a=1&a=2"))


@pytest.mark.parametrize("body", [b"body", None])
def test_a_body_needs_a_digest_before_and_after_it_is_read(body: bytes | None) -> None:
    assert uncovered(scheme(), facts(body=body)) == ClaimFault("auth.malformed", "A body needs a Content-Digest.")
    assert uncovered(scheme(), facts(body=body, fields=((b"content-digest", _DIGEST),))) is None


def test_no_body_needs_no_digest() -> None:
    assert uncovered(scheme(), facts(body=b"")) is None


@pytest.mark.parametrize(
    "stated",
    [
        (_DIGEST, _DIGEST),
        (_DIGEST + b", " + _DIGEST,),
        (_DIGEST + b", sha-512=:AAAA:",),
        (b"sha-512=:AAAA:",),
        (b"",),
        (_DIGEST.replace(b"sha", b"SHA"),),
        (_DIGEST + b";q=1",),
        (b"sha-256=:AAAA:",),
        (b" " + _DIGEST,),
    ],
)
@pytest.mark.parametrize("body", [b"body", b"", None])
def test_a_digest_is_one_canonical_member(stated: tuple[bytes, ...], body: bytes | None) -> None:
    message = facts(body=body, fields=tuple((b"content-digest", value) for value in stated))
    fault = uncovered(scheme(), message)
    assert fault is not None
    assert fault.code == "auth.malformed"


def test_binance_takes_only_what_real_clients_send() -> None:
    binance = scheme("binance")
    assert profile("binance")["shape"]["query_and_body"] == "refuse"
    assert uncovered(binance, facts("POST", query=b"a=1")) is None
    assert uncovered(binance, facts("POST", body=b"a=1&name=my wallet", fields=(_FORM,))) is None
    for message in (
        facts("GET", body=b"a=1"),
        facts("POST", query=b"a=1", body=b"b=1"),
        facts("POST", query=b"a=1", body=None),
        facts("GET", query=b"a=1&a=2"),
        facts("GET", query=b"a=<"),
        facts("POST", body=b"a=1&a=2", fields=(_FORM,)),
    ):
        assert uncovered(binance, message) is not None


@given(
    st.sampled_from(["guard-v1", "binance", "api-key"]),
    st.builds(
        facts,
        st.sampled_from(["GET", "POST", ""]),
        query=st.none() | st.binary(max_size=30),
        body=st.none() | st.binary(max_size=30),
        fields=st.lists(
            st.tuples(
                st.sampled_from([b"content-digest", b"content-type"]), st.binary(max_size=60) | st.just(_FORM[1])
            ),
            max_size=3,
        ).map(tuple),
    ),
)
def test_no_message_makes_judging_its_shape_raise(name: str, message: Facts) -> None:
    fault = uncovered(scheme(name), message)
    assert fault is None or fault.code in ("auth.malformed", "request.malformed")
