"""One table of refusals, one form."""

import json

import pytest

from guard.edges.admin.problems import TITLES, Flaw, Refused


@pytest.mark.parametrize("code", TITLES)
def test_each_code_is_a_problem_of_its_own_type(code: str) -> None:
    answer = Refused(code).answer()
    assert isinstance(answer.body, bytes)
    problem = json.loads(answer.body)
    assert answer.media_type == b"application/problem+json"
    assert (problem["type"], problem["code"]) == (f"urn:guard:problem:{code}", code)
    assert problem["status"] == answer.status == TITLES[code][0]
    assert set(problem) == {"type", "title", "status", "code"}


def test_what_is_wrong_is_pointed_at() -> None:
    answer = Refused(
        "admin.malformed", "why", flaws=(Flaw(detail="x", pointer="#/a"),), fields=((b"a", b"b"),)
    ).answer()
    assert isinstance(answer.body, bytes)
    problem = json.loads(answer.body)
    assert (problem["detail"], problem["errors"]) == ("why", [{"detail": "x", "pointer": "#/a"}])
    assert answer.fields == ((b"a", b"b"),)
