"""The table is consistent: whoever reads may not change, and whoever may change may also end."""

import pytest

from guard.edges.admin.routes import PREFIX, ROUTES, Route
from guard.model.admins import Role


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_a_row_reads_or_acts(route: Route) -> None:
    assert route.path.startswith(f"{PREFIX}/")
    assert (route.method == "GET") == (route.body is None)
    assert route.method in ("GET", "POST")
    if route.method == "POST":
        assert route.role is not Role.VIEWER
    if route.method == "GET" and "/tokens" not in route.path:
        assert route.role is Role.VIEWER


def test_no_two_rows_are_one() -> None:
    rows = [(route.method, route.path) for route in ROUTES]
    assert len(set(rows)) == len(rows)


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("POST", "/keys", Role.OPERATOR),
        ("POST", "/keys/{id}/revoke", Role.OPERATOR),
        ("POST", "/keys/{id}/destroy", Role.ADMIN),
        ("POST", "/releases/{id}/confirm", Role.ADMIN),
        ("POST", "/tokens", Role.ADMIN),
        ("GET", "/tokens", Role.ADMIN),
    ],
)
def test_the_role_of_what_matters_most(method: str, path: str, role: Role) -> None:
    [route] = [each for each in ROUTES if (each.method, each.path) == (method, PREFIX + path)]
    assert route.role is role
