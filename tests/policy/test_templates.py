import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.policy.templates import (
    METHODS,
    KeyFault,
    Kind,
    Relation,
    Segment,
    Template,
    example_of_both,
    parse_key,
    parse_path,
    relation,
)


def template(key: str) -> Template:
    parsed = parse_key(key)
    assert isinstance(parsed, Template), parsed
    return parsed


def test_a_key_is_a_method_and_segments() -> None:
    assert template("GET /v1/orders/{id}/{rest...}").segments == (
        Segment(Kind.LITERAL, "v1"),
        Segment(Kind.LITERAL, "orders"),
        Segment(Kind.VARIABLE),
        Segment(Kind.REST),
    )
    assert template("GET /").segments == (Segment(Kind.LITERAL, ""),)


def test_get_stands_for_head_too_and_any_for_all_seven() -> None:
    assert template("GET /").methods == {"GET", "HEAD"}
    assert template("HEAD /").methods == {"HEAD"}
    assert template("ANY /").methods == {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


@pytest.mark.parametrize("path", ["/a.b", "/A~B", "/a:b@c", "/a!$&'()*+,=b", "/a/", "/...", "/-_"])
def test_every_character_of_a_segment_that_has_one_spelling_may_be_a_literal(path: str) -> None:
    assert not isinstance(parse_path(path), KeyFault)


@pytest.mark.parametrize(
    ("key", "code"),
    [
        *(
            (key, "P211")
            for key in ("", "GET", "GET ", "/v1", "get /", "TRACE /", "CONNECT /", "* /", "GET  /", "GET\t/", "GET v1")
        ),
        *(
            (f"GET {path}", "P212")
            for path in ("//", "/a//b", "/.", "/a/..", "/../a", "/./a", "/a%2Fb", "/%41", "/a;b", "/a?b")
        ),
        *((f"GET {path}", "P212") for path in ("/a#b", "/a b", "/é", "/a\\b", '/"', "/a|b", "/a^b", "/" + "a/" * 32)),
        *(
            (f"GET {path}", "P213")
            for path in ("/{", "/}", "/{}", "/{...}", "/a{b}", "/{a}b", "/{a}{b}", "/{1}", "/{a-b}", "/{a..}")
        ),
        *((f"GET {path}", "P213") for path in ("/{a}/{a}", "/{a...}/b", "/{a...}/", "/{a}/{a...}")),
    ],
)
def test_a_malformed_key_is_refused_with_its_code(key: str, code: str) -> None:
    parsed = parse_key(key)
    assert isinstance(parsed, KeyFault)
    assert parsed.code == code


def test_a_method_in_lower_case_is_told_its_spelling() -> None:
    assert parse_key("delete /v1") == KeyFault("P211", "a route begins with its method", "write DELETE")


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("GET /a", "GET /a", Relation.EQUAL),
        ("GET /a/{x}", "GET /a/{y}", Relation.EQUAL),
        ("GET /{x...}", "GET /{y...}", Relation.EQUAL),
        ("GET /a", "GET /b", Relation.DISJOINT),
        ("GET /a", "POST /a", Relation.DISJOINT),
        ("GET /a", "GET /a/b", Relation.DISJOINT),
        ("GET /a", "GET /a/{x...}", Relation.DISJOINT),
        ("GET /a/", "GET /a/{x}", Relation.DISJOINT),
        ("GET /a/", "GET /a/{x...}", Relation.DISJOINT),
        ("GET /a/b/", "GET /a/{x...}", Relation.DISJOINT),
        ("GET /a/b", "GET /a/{x}", Relation.NARROWER),
        ("GET /a/{x}", "GET /a/b", Relation.WIDER),
        ("GET /a/b/c", "GET /a/{x...}", Relation.NARROWER),
        ("GET /a/{x}", "GET /a/{x...}", Relation.NARROWER),
        ("GET /{x...}", "GET /a/{x...}", Relation.WIDER),
        ("GET /a/{x}", "GET /{y}/b", Relation.CROSSING),
        ("GET /a/{x...}", "GET /{y}/b", Relation.CROSSING),
        ("GET /a", "ANY /a", Relation.NARROWER),
        ("HEAD /a", "GET /a", Relation.NARROWER),
        ("GET /a/b", "ANY /a/{x}", Relation.NARROWER),
        ("ANY /a/{x}", "GET /a/b", Relation.WIDER),
        ("ANY /a/b", "GET /a/{x}", Relation.CROSSING),
        ("GET /a/b", "HEAD /a/{x}", Relation.CROSSING),
        ("ANY /a", "GET /b", Relation.DISJOINT),
        ("ANY /a/{x}", "GET /{y}/b", Relation.CROSSING),
    ],
)
def test_how_two_routes_relate(a: str, b: str, expected: Relation) -> None:
    assert relation(template(a), template(b)) is expected


def test_an_example_matches_both() -> None:
    assert example_of_both(template("ANY /a/{x}"), template("POST /{y}/b")) == "POST /a/b"
    assert example_of_both(template("GET /{x...}"), template("GET /a/{y}")) == "GET /a/x"


SEGMENTS = st.sampled_from(["a", "b", "{v}"])
TEMPLATES = st.builds(
    lambda method, middle, end: (method, [*middle, *end]),
    st.sampled_from(["GET", "HEAD", "POST", "ANY"]),
    st.lists(SEGMENTS, max_size=2),
    st.sampled_from([["a"], [""], ["{w}"], ["{rest...}"]]),
)
REQUESTS = [
    (method, path) for method in METHODS for length in range(1, 5) for path in itertools.product("abcd", repeat=length)
]
REQUESTS += [(method, (*path[:-1], "")) for method, path in REQUESTS]


def naive(method: str, segments: list[str]) -> frozenset[tuple[str, tuple[str, ...]]]:
    """Every request of a small world that the template matches, the slow way."""
    methods = {"GET": {"GET", "HEAD"}, "ANY": set(METHODS)}.get(method, {method})
    matched = set()
    for verb, path in REQUESTS:
        fixed = segments[:-1] if segments[-1] == "{rest...}" else segments
        long_enough = len(path) > len(fixed) and path[-1] if segments[-1] == "{rest...}" else len(path) == len(fixed)
        fits = all(want == have or (want.startswith("{") and have) for want, have in zip(fixed, path, strict=False))
        if verb in methods and long_enough and fits:
            matched.add((verb, path))
    return frozenset(matched)


@given(TEMPLATES, TEMPLATES)
def test_relations_agree_with_the_sets_of_requests(a: tuple[str, list[str]], b: tuple[str, list[str]]) -> None:
    left, right = ({"{v}": "{v%d}"}, {"{v}": "{v%d}"})
    keys = [
        f"{method} /" + "/".join(names.get(text, text).replace("%d", str(at)) for at, text in enumerate(segments))
        for (method, segments), names in ((a, left), (b, right))
    ]
    mine, theirs = naive(*a), naive(*b)
    found = relation(template(keys[0]), template(keys[1]))
    expected = (
        Relation.DISJOINT
        if not mine & theirs
        else Relation.EQUAL
        if mine == theirs
        else Relation.NARROWER
        if mine < theirs
        else Relation.WIDER
        if mine > theirs
        else Relation.CROSSING
    )
    assert found is expected
