import re
from pathlib import Path

from guard.policy.schema import PolicyFile
from guard.policy.unknown import FIELDS, VALUES, instead_of_field, instead_of_value
from tests.policy_text import HEAD, ROUTES, found

_DOCUMENT = Path(__file__).parents[2] / "docs" / "policies.md"


def test_a_field_was_planned_whatever_its_limit_or_route_is_called() -> None:
    assert instead_of_field(("limits", "anything", "on_failure"))
    assert instead_of_field(("routes", "GET /x", "upgrade"))
    assert not instead_of_field(("limits", "on_failure"))
    assert not instead_of_field(("limits", "x", "y", "on_failure"))
    assert not instead_of_field(())


def test_only_a_value_of_its_own_field_was_planned() -> None:
    assert instead_of_value(("limits", "x", "per", 0), "country")
    assert not instead_of_value(("owner",), "country")
    assert not instead_of_value((), "country")
    assert not instead_of_value(("limits", "x", "per", 0), 7)


def test_nothing_that_exists_is_refused() -> None:
    assert not [name for name in PolicyFile.model_fields if instead_of_field((name,))]


def test_the_document_lists_all_of_it_with_what_to_do_instead() -> None:
    section = _DOCUMENT.read_text(encoding="utf-8").partition("\n## What is not known\n")[2].partition("\n## ")[0]
    rows = set(re.findall(r"^\| `(.+?)` \| (.+) \|$", section, re.MULTILINE))
    fields = {(".".join(map(str, path)).replace("*", "NAME"), instead) for path, instead in FIELDS.items()}
    values = {
        (f"{'.'.join(map(str, path)).replace('*', 'NAME')}: [{value}]", instead)
        for (path, value), instead in VALUES.items()
    }
    assert rows == fields | values


def test_each_is_refused_where_it_stands() -> None:
    texts = {
        "keys": f"{HEAD}keys: {{}}\n{ROUTES}",
        "log": f"{HEAD}log: {{query: [symbol]}}\n{ROUTES}",
        "exempt": f"{HEAD}exempt: {{}}\n{ROUTES}",
        "retry": HEAD.replace("http://127.0.0.1:8081", "{url: 'http://h', retry: 1}") + ROUTES,
        "alternates": f"{HEAD}auth: {{alternates: []}}\n{ROUTES}",
        "on_failure": f"{HEAD}limits: {{x: {{per: [key], rate: 5/s, on_failure: deny}}}}\n{ROUTES}",
        "upgrade": f"{HEAD}routes:\n  GET /x: {{upgrade: websocket}}\n",
    }
    assert set(texts) == {path[-1] for path in FIELDS}
    for name, text in texts.items():
        (fault,) = found(text)
        assert (fault.code, fault.message, fault.help) == (
            "P190",
            f"`{name}` is not part of the language",
            next(instead for path, instead in FIELDS.items() if path[-1] == name),
        )
