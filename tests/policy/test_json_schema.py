import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from guard.policy.document import Document
from guard.policy.json_schema import policy_schema, shared_schema
from guard.policy.schema import PolicyFile
from guard.policy.yaml_source import read_document

ROOT = Path(__file__).parents[2]
SMALLEST: dict[str, Any] = {"version": 1, "service": "x", "upstream": "http://h", "routes": {"GET /": {}}}


def test_the_shipped_schema_is_the_one_that_the_code_makes() -> None:
    shipped = (ROOT / "policies" / "schema" / "policy.v1.json").read_text()
    assert json.loads(shipped) == policy_schema(), "run: guard schema > policies/schema/policy.v1.json"


def test_the_shipped_schema_of_what_is_shared_is_the_one_that_the_code_makes() -> None:
    shipped = (ROOT / "policies" / "schema" / "shared.v1.json").read_text()
    assert json.loads(shipped) == shared_schema(), "run: guard schema --shared > policies/schema/shared.v1.json"


@pytest.mark.parametrize("schema", [policy_schema(), shared_schema()])
def test_it_is_a_schema_of_draft_07(schema: dict[str, Any]) -> None:
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    jsonschema.Draft7Validator.check_schema(schema)


def test_words_that_stand_among_names_are_no_names() -> None:
    accepts = jsonschema.Draft7Validator(policy_schema()).is_valid
    assert accepts({**SMALLEST, "limits": {"mode": "shadow", "use": ["ip"]}, "tiers": {"use": ["maker"]}})


def test_it_accepts_what_is_shared_and_nothing_else() -> None:
    document = read_document((ROOT / "policies" / "shared" / "_shared.yaml").read_bytes(), "_shared.yaml")
    assert isinstance(document, Document)
    accepts = jsonschema.Draft7Validator(shared_schema()).is_valid
    assert accepts(document.content)
    changes: tuple[dict[str, Any], ...] = (
        {"limits": {"ip": {"per": ["ip"], "rat": "5/s"}}},
        {"signals": {"a": {"on": "limit.*", "per": "ip"}}},
        {"ladder": [{"at": 5, "action": "ban", "for": "5m"}]},
        {"ladder": {"hard": []}},
        {"tiers": {"maker": {"key": 5}}},
        {"service": "x"},
    )
    for change in changes:
        assert not accepts({**document.content, **change}), change


@pytest.mark.parametrize("name", ["example.yaml", "exchange.yaml", "shared/spot.yaml", "shared/futures.yaml"])
def test_it_accepts_the_shipped_policies(name: str) -> None:
    document = read_document((ROOT / "policies" / name).read_bytes(), name)
    assert isinstance(document, Document)
    jsonschema.Draft7Validator(policy_schema()).validate(document.content)


@pytest.mark.parametrize(
    "change",
    [
        {"mode": "shadows"},
        {"limits": {"mode": "on"}},
        {"limits": {"use": "ip"}},
        {"tiers": {"use": []}},
        {"abuse": {"ladder": {"use": ["hard"]}}},
        {"abuse": {"ladder": []}},
        {"client_ip": {"deny": 5}},
        {"tests": [{"send": "GET /", "answer": 99}]},
        {"abuse": {"signals": {"a": {"on": "x", "per": "ip", "points": 1, "of": "writes"}}}},
        {"abuse": {"signals": {"a": {"on": "x", "per": "ip", "points": 1, "ratio": {"above": "5", "to": {}}}}}},
        {"modee": "enforce"},
        {"version": 2},
        {"service": "A"},
        {"upstream": 5},
        {"upstream": {}},
        {"upstream": "ftp://h"},
        {"upstream": {"url": "http://h", "urls": ["http://i"]}},
        {"upstream": {"urls": []}},
        {"upstream": {"url": "https://h", "tls": {"verify": False}}},
        {"upstream": {"url": "http://h", "breaker": {"failures": 50}}},
        {"routes": {}},
        {"routes": {"get /": {}}},
        {"routes": {"GET /": None}},
        {"routes": {"GET /": {"cots": 1}}},
        {"routes": {"GET /": {"timeout": 30}}},
        {"routes": {"GET /": {"auth": "some"}}},
        {"limits": {"A": {"per": ["ip"], "rate": "5/s"}}},
        {"limits": {"a": {"per": ["ip"]}}},
        {"limits": {"a": {"per": ["ip"], "rate": "5/s", "quota": "5/day"}}},
        {"limits": {"a": {"per": ["ip"], "quota": "5/day", "burst": 9}}},
        {"limits": {"a": {"per": ["ip"], "quota": "5/s"}}},
        {"limits": {"a": {"per": ["ip"], "concurrent": 5, "cost": 2}}},
        {"limits": {"a": {"per": ["ip"], "concurrent": 0}}},
        {"limits": {"a": {"per": ["user"], "rate": "5/s"}}},
        {"limits": {"a": {"per": ["ip"], "rate": "5"}}},
        {"auth": {"window": 5}},
        {"tests": [{"sned": "GET /"}]},
        {"tests": [{"send": "GET"}]},
        {"tests": [{"send": "GET /", "expect": {"decision": "maybe"}}]},
        {"tests": [{"send": "GET /", "expect": {"allow": "all"}}]},
        {"tests": [{"send": "GET /", "as": {"ip": "203.0.113.7", "scope": "read"}}]},
        {"auth": {"window": {"past": "5"}}},
    ],
)
def test_it_refuses_what_the_loader_refuses_for_its_shape(change: dict[str, object]) -> None:
    validator = jsonschema.Draft7Validator(policy_schema())
    assert validator.is_valid(SMALLEST)
    assert not validator.is_valid({**SMALLEST, **change})


@pytest.mark.parametrize("limit", [{"rate": "5/s", "burst": 9}, {"quota": "5/day", "cost": 2}, {"concurrent": 10_000}])
def test_it_accepts_each_way_of_counting(limit: dict[str, object]) -> None:
    jsonschema.Draft7Validator(policy_schema()).validate({**SMALLEST, "limits": {"a": {"per": ["ip"], **limit}}})


@pytest.mark.parametrize("expect", ["allow", {"allow": 3, "limit.key": 1}, {"status": 429, "remaining": {"key": 0}}])
def test_it_accepts_each_kind_of_expectation(expect: object) -> None:
    test = {"steps": [{"send": "GET /?a=1", "as": {"key": "k"}, "times": 4, "expect": expect}]}
    jsonschema.Draft7Validator(policy_schema()).validate({**SMALLEST, "tests": [test]})


def test_every_field_says_what_it_is() -> None:
    schema = policy_schema()
    parts = [schema, *schema["definitions"].values()]
    silent = [
        name for part in parts for name, field in part["properties"].items() if not field.get("markdownDescription")
    ]
    assert silent == []
    assert set(schema["properties"]) == set(PolicyFile.model_fields)


@pytest.mark.parametrize("replay", ["deny", {"default": "deny", "critical": "local"}])
def test_a_field_named_default_is_a_field(replay: object) -> None:
    policy = {**SMALLEST, "store": {"on_failure": {"replay": replay}}}
    jsonschema.Draft7Validator(policy_schema()).validate(policy)
    wrong = {**SMALLEST, "store": {"on_failure": {"replay": {"default": "maybe"}}}}
    assert not jsonschema.Draft7Validator(policy_schema()).is_valid(wrong)


def test_no_default_is_one_that_could_not_be_written() -> None:
    assert '"default": null' not in json.dumps(policy_schema())
    connect = policy_schema()["definitions"]["TimeoutPart"]["properties"]["connect"]
    assert "default" not in connect


@pytest.mark.parametrize(
    "cost",
    [
        5,
        {"items": "/orders", "max": 9},
        {"items": "", "each": 2, "base": 1, "per": 40, "max": 9},
        {"query": "limit", "default": 1, "steps": {"100": 5}},
        {"field": "/a/b", "default": 1, "steps": {"100": 5}},
        {"response_header": "Guard-Cost", "hold": 1, "max": 9},
        {"hold": 1, "on_success": 0},
    ],
)
def test_it_accepts_each_form_of_a_cost(cost: object) -> None:
    jsonschema.Draft7Validator(policy_schema()).validate({**SMALLEST, "routes": {"GET /": {"cost": cost}}})


@pytest.mark.parametrize(
    "cost",
    [
        *(0, "5", {}, {"items": "/orders"}, {"items": "orders", "max": 9}, {"query": "limit", "steps": {"1": 1}}),
        *({"query": "limit", "default": 1, "steps": {"x": 5}}, {"query": "limit", "default": 1, "steps": {}}),
        {"items": "/a", "max": 9, "cots": 1},
    ],
)
def test_it_refuses_a_cost_that_is_told_by_halves(cost: object) -> None:
    assert not jsonschema.Draft7Validator(policy_schema()).is_valid({**SMALLEST, "routes": {"GET /": {"cost": cost}}})


@pytest.mark.parametrize(
    ("tiers", "valid"),
    [
        ({"maker": {"key": "200/s", "orders": {"rate": "3000/10s", "burst": 6000}}}, True),
        ({"maker": {"key": 200}}, False),
        ({"Maker": {"key": "200/s"}}, False),
        ({"maker": {"key": {"brust": 9}}}, False),
    ],
)
def test_it_knows_tiers(tiers: object, *, valid: bool) -> None:
    assert jsonschema.Draft7Validator(policy_schema()).is_valid({**SMALLEST, "tiers": tiers}) is valid


def test_a_field_may_be_called_default() -> None:
    store = {"on_failure": {"replay": {"default": "deny", "critical": "local"}}}
    jsonschema.Draft7Validator(policy_schema()).validate({**SMALLEST, "store": store})
