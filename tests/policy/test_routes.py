from hypothesis import assume, given
from hypothesis import strategies as st

from guard.core.routing import route_for
from guard.model.decision import Deny
from guard.model.facts import Facts, FieldNames, Transport
from guard.model.names import Address, RequestId, UnixMs
from guard.policy.diagnostic import Severity
from guard.policy.load import Loaded, load_text
from guard.policy.templates import METHODS
from tests.policy_text import HEAD, policy, service, told


def keys(*names: str) -> str:
    return "routes:\n" + "".join(f"  {name}: {{}}\n" for name in names)


def faults(*names: str) -> list[tuple[str, int, str]]:
    return told(policy(routes=keys(*names)))


def test_an_ambiguous_pair_names_both_lines_and_a_request_that_both_match() -> None:
    assert faults("GET /v1/{kind}/last", "GET /v1/orders/{id}") == [
        ("P301", 6, "ambiguous with `GET /v1/{kind}/last` at line 5: both match `GET /v1/orders/last`")
    ]


def test_a_narrower_method_on_a_wider_path_is_ambiguous() -> None:
    assert [fault[0] for fault in faults("GET /v1/{rest...}", "ANY /v1/orders")] == ["P301"]


def test_the_same_requests_twice_are_refused() -> None:
    assert faults("GET /v1/{a}", "GET /v1/{b}") == [("P302", 6, "the same requests as `GET /v1/{a}` at line 5")]


def test_a_route_whose_every_method_has_its_own_never_matches() -> None:
    own = [f"{method} /x" for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")]
    assert faults("ANY /x", *own) == [("P302", 5, "never matches: each of its methods has a route of its own")]
    assert faults("ANY /x", *own[1:]) == []


def test_one_route_is_told_one_conflict() -> None:
    assert [fault[:2] for fault in faults("GET /a/{x}", "GET /a/{y}", "GET /a/{z}")] == [("P302", 6), ("P302", 7)]


def test_literals_in_one_place_that_differ_only_in_case_are_refused() -> None:
    assert faults("GET /v1/orders", "POST /v1/Orders/{id}") == [
        ("P307", 6, "`Orders` differs only in case from `orders` at line 5")
    ]
    assert faults("GET /a/orders", "GET /b/Orders") == []


def test_a_malformed_key_is_told_beside_the_conflicts_of_the_others() -> None:
    assert [fault[:2] for fault in faults("get /x", "GET /a/{x}", "GET /a/{y}")] == [("P211", 5), ("P302", 7)]


def test_routes_must_lie_under_the_prefix() -> None:
    text = policy("match: {prefix: /v1}", routes=keys("GET /v1", "GET /v1/x", "GET /v10", "GET /{x}/y"))
    assert [fault[:2] for fault in told(text)] == [("P214", 8), ("P214", 9)]


def test_a_prefix_is_a_plain_canonical_path() -> None:
    for prefix, message in [
        ("v1", "a prefix begins with `/`"),
        ("/v1/", "a prefix does not end with `/`"),
        ("/{x}", "a prefix may not hold variables"),
        ("/a//b", "a path may not hold `//`"),
    ]:
        assert told(policy(f"match: {{prefix: '{prefix}'}}")) == [("P212", 4, message)]


def facts(verb: str, path: str) -> Facts:
    return Facts(
        transport=Transport.HTTP,
        verb=verb,
        authority=b"h",
        path=path.encode(),
        peer=Address("127.0.0.1"),
        names=FieldNames(()),
        received_at=UnixMs(0),
        request_id=RequestId("r"),
    )


def test_head_follows_get_unless_it_has_a_route_of_its_own() -> None:
    both = service(policy(routes=keys("GET /a", "GET /b", "HEAD /b", "GET /c/{x...}", "ANY /d", "GET /d")))
    names = {path: route_for(both, "HEAD", path.encode()) for path in ("/a", "/b", "/c/x", "/d")}
    assert {path: getattr(route, "name", None) for path, route in names.items()} == {
        "/a": "GET /a",
        "/b": "HEAD /b",
        "/c/x": "GET /c/{x...}",
        "/d": "GET /d",
    }


def test_a_segment_that_equals_a_literal_in_all_but_case_matches_no_variable() -> None:
    one = service(policy(routes=keys("GET /v1/Orders", "GET /v1/{x}")))
    found = {path: _name(one, "GET", f"/v1/{path}") for path in ("Orders", "orders", "ORDERS", "other")}
    assert found == {"Orders": "GET /v1/Orders", "orders": None, "ORDERS": None, "other": "GET /v1/{x}"}


def test_any_covers_exactly_the_seven_methods() -> None:
    any_ = service(policy(routes=keys("ANY /a")))
    found = {verb for verb in (*METHODS, "TRACE", "CONNECT", "get", "ANY", "PROPFIND") if _name(any_, verb, "/a")}
    assert found - {"ANY"} == set(METHODS)


def _name(one: object, verb: str, path: str) -> str | None:
    route = route_for(one, verb, path.encode())  # type: ignore[arg-type]
    return None if isinstance(route, Deny) else route.name


WORDS = st.sampled_from(["a", "b", "{x}", "{rest...}", ""])
KEYS = st.builds(
    lambda method, middle, end: (
        f"{method} /" + "/".join([*(f"{{v{n}}}" if m == "{v}" else m for n, m in enumerate(middle)), end])
    ),
    st.sampled_from(["GET", "POST", "HEAD", "ANY"]),
    st.lists(st.sampled_from(["a", "b", "{v}"]), max_size=2),
    WORDS,
)
REQUESTS = [
    (verb, path)
    for verb in ("GET", "HEAD", "POST", "DELETE", "TRACE")
    for path in (
        "/",
        "/a",
        "/A",
        "/b",
        "/c",
        "/a/",
        "/a/a",
        "/a/b",
        "/c/b",
        "/c/B",
        "/c/c",
        "/a/c/b",
        "/c/c/c",
        "/c/c/c/c/c",
        "/b/a/",
    )
]


def matches(key: str, verb: str, path: str) -> bool:
    """Whether a route matches, read straight from the rules."""
    method, _, template = key.partition(" ")
    methods = {"GET": {"GET", "HEAD"}, "ANY": set(METHODS)}.get(method, {method})
    want, have = template.split("/")[1:], path.split("/")[1:]
    if want[-1] == "{rest...}":
        want, have, tail = want[:-1], have[: len(want) - 1], have[len(want) - 1 :]
        if not tail or not tail[-1]:
            return False
    if verb not in methods or len(want) != len(have):
        return False
    return all(w == h or (w.startswith("{") and h) for w, h in zip(want, have, strict=True))


@given(st.lists(KEYS, min_size=1, max_size=6, unique=True))
def test_the_tree_finds_the_most_specific_of_all_routes_that_match(names: list[str]) -> None:
    result = load_text({"p.yaml": HEAD + keys(*names)})
    assume(isinstance(result, Loaded))
    assert isinstance(result, Loaded)
    (one,) = result.policies.services
    for verb, path in REQUESTS:
        matching = [name for name in names if matches(name, verb, path)]
        found = _name(one, verb, path)
        if path == path.lower():
            assert (found is not None) == bool(matching), (verb, path)
            assert found is None or all(_at_least_as_narrow(found, other) for other in matching), (verb, path, found)
        elif found is not None:
            assert found in matching


def _at_least_as_narrow(found: str, other: str) -> bool:
    """Whether every request of the small world that `found` matches is also matched by `other`."""
    return all(matches(other, verb, path) for verb, path in REQUESTS if matches(found, verb, path))


def test_a_conflict_is_an_error_and_not_a_warning() -> None:
    result = load_text({"p.yaml": HEAD + keys("GET /a/{x}", "GET /a/{y}")})
    assert not isinstance(result, Loaded)
    assert {one.severity for one in result.diagnostics} == {Severity.ERROR}
