"""Scopes that a route needs and no key has."""

from guard.policy.load import Loaded, load_text
from tests.policy_text import policy

TEXT = policy(
    routes="routes:\n  GET /a: {scope: read}\n  PUT /b: {scope: trade}\n  PUT /c: {scope: trade}\n"
    "  GET /d: {auth: none}\n"
)


def _told(granted: frozenset[str] | None) -> list[tuple[str, int, str, str]]:
    loaded = load_text({"p.yaml": TEXT}, granted=granted)
    assert isinstance(loaded, Loaded)
    return [(one.code, one.line, one.message, one.help) for one in loaded.warnings]


def test_a_scope_that_no_key_has_is_told_once_where_it_is_needed_first() -> None:
    message = "no key has the scope `trade`, so nobody can use `PUT /b`"
    assert _told(frozenset({"read"})) == [("P209", 6, message, "guard keys create --scopes trade …")]


def test_the_scope_that_was_probably_meant_is_named() -> None:
    assert [help_text for *_, help_text in _told(frozenset({"read", "trades"}))] == ["did you mean `trades`?"]


def test_nothing_is_told_where_every_scope_is_granted_or_nobody_has_looked() -> None:
    assert _told(frozenset({"read", "trade", "more"})) == []
    assert _told(None) == []


def test_a_database_without_keys_grants_nothing() -> None:
    assert [line for _, line, *_ in _told(frozenset())] == [5, 6]
