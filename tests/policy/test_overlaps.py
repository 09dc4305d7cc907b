import pytest

from tests.policy_text import told

ROUTE = "routes:\n  GET {path}: {{}}\n"


def text(name: str, match: str, path: str = "/v1/x") -> str:
    head = f"version: 1\nservice: {name}\nmatch: {match}\nupstream: http://h\n"
    return head + ROUTE.format(path=path)


@pytest.mark.parametrize(
    ("a", "b", "path"),
    [
        ("{hosts: [a]}", "{hosts: [b]}", "/v1/x"),
        ("{hosts: [a]}", "{prefix: /}", "/v1/x"),
        ("{prefix: /v1}", "{prefix: /v2}", "/v2/x"),
        ("{prefix: /v1}", "{prefix: /v10}", "/v10/x"),
        ("{hosts: [a, b], prefix: /v1}", "{hosts: [b, c], prefix: /v2}", "/v2/x"),
    ],
)
def test_services_that_no_request_can_mean_both_stand_side_by_side(a: str, b: str, path: str) -> None:
    assert told(text("one", a), text("two", b, path)) == []


@pytest.mark.parametrize(
    ("a", "b", "where"),
    [
        ("{prefix: /v1}", "{prefix: /v1}", "`/v1` and `/v1` at any authority"),
        ("{prefix: /}", "{prefix: /v1}", "`/v1` and `/` at any authority"),
        ("{prefix: /v1}", "{prefix: /}", "`/` and `/v1` at any authority"),
        ("{hosts: [a, b]}", "{hosts: [B, c], prefix: /v1}", "`/v1` and `/` at b"),
    ],
)
def test_services_that_one_request_can_mean_both_are_refused(a: str, b: str, where: str) -> None:
    assert told(text("one", a), text("two", b)) == [
        ("P306", 3, f"matches the same requests as `one` (p0.yaml:3): {where}")
    ]


def test_one_name_in_two_files_is_refused() -> None:
    assert told(text("one", "{hosts: [a]}"), text("one", "{hosts: [b]}")) == [
        ("P205", 2, "the service `one` is also in p0.yaml")
    ]


def test_what_cannot_be_read_overlaps_nothing() -> None:
    broken = told(text("one", "{hosts: ['a:80']}"), text("One", "{hosts: [a]}"))
    assert [fault[0] for fault in broken] == ["P108", "P106"]
