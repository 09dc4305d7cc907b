"""The document says what the table says, completely."""

import json
import re

import jsonschema  # type: ignore[import-untyped]

from guard.edges.admin.openapi import document
from guard.edges.admin.problems import TITLES
from guard.edges.admin.routes import ROUTES
from tests.edges.admin.office import Office

DOCUMENT = document("1.2.3")


async def test_the_document_is_served_without_a_token(office: Office) -> None:
    told = await office.ask("GET", "/admin/v1/openapi.json", by=None)
    assert (told.status, told.json["openapi"]) == (200, "3.1.0")
    assert (await office.ask("HEAD", "/admin/v1/openapi.json", by=None)).body == b""


def test_every_route_stands_in_it_with_its_role_its_answer_and_its_problems() -> None:
    assert DOCUMENT["info"]["version"] == "1.2.3"
    for route in ROUTES:
        operation = DOCUMENT["paths"][route.path][route.method.lower()]
        assert operation["x-guard-role"] == route.role.value
        assert str(route.status) in operation["responses"]
        assert {"400", "401", "403", "421", "429", "500", "503"} <= set(operation["responses"])
        assert ("requestBody" in operation) == (route.method == "POST")
        if route.body is not None:
            assert {"408", "413", "415", "422", "409"} <= set(operation["responses"])
        if "{id}" in route.path:
            assert "404" in operation["responses"]
    count = sum(len(operations) for operations in DOCUMENT["paths"].values())
    assert count == len(ROUTES)


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for path in DOCUMENT["paths"].values() for operation in path.values()]
    assert len(set(names)) == len(names)
    assert {"list_keys", "create_key", "suspend_key", "confirm_release"} <= set(names)


def test_every_reference_leads_somewhere_and_every_schema_is_one() -> None:
    references = set(re.findall(r'"#/components/(\w+)/(\w+)"', json.dumps(DOCUMENT)))
    assert references
    for kind, name in references:
        assert name in DOCUMENT["components"][kind]
    assert not [name for name in DOCUMENT["components"]["schemas"] if ("schemas", name) not in references]
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    assert set(DOCUMENT["components"]["responses"]) == {str(status) for status, _ in TITLES.values()}


def test_a_request_may_hold_nothing_that_is_not_told() -> None:
    for route in ROUTES:
        if route.body is not None:
            assert DOCUMENT["components"]["schemas"][route.body.__name__]["additionalProperties"] is False


def test_a_parameter_is_never_null() -> None:
    for path in DOCUMENT["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", ()):
                assert "null" not in json.dumps(parameter["schema"])
