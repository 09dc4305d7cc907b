"""The OpenAPI 3.1 document of the admin API, generated from the table of routes and the types that stand in it."""

from collections.abc import Iterable
from typing import Any

import msgspec

from guard.edges.admin.problems import TITLES, Lines, Problem
from guard.edges.admin.routes import PREFIX, ROUTES, Route

PATH = f"{PREFIX}/openapi.json"

_REFERENCE = "#/components/schemas/{name}"
_ALWAYS = (400, 401, 403, 421, 429, 500, 503)
_WITH_BODY = (408, 413, 415, 422)
_TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "description": "An administrator's token: `ga_…`, made by `guard admin tokens create`.",
}
_INFO = """\
Everything that `guard keys` and `guard halt` can do, and what is in force. Roles: viewer reads, operator works with
keys and halts, admin also confirms,
destroys and makes tokens; each operation names its own in `x-guard-role`. Times are Unix milliseconds.
400: the request is not of the form written here. 422: it is, and cannot be carried out."""


def document(version: str) -> dict[str, Any]:
    """The document, as JSON values."""
    shapes = list(_shapes(ROUTES))
    _, components = msgspec.json.schema_components(shapes, ref_template=_REFERENCE)
    paths: dict[str, Any] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, components)
    for route in ROUTES:
        components.pop(route.query.__name__, None)  # a query is told parameter by parameter
    return {
        "openapi": "3.1.0",
        "info": {"title": "guard admin API", "version": version, "description": _INFO},
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": _TOKEN},
            "responses": {str(status): _problem(status) for status in sorted({row[0] for row in TITLES.values()})},
        },
    }


def _shapes(routes: Iterable[Route]) -> Iterable[type]:
    yield Problem
    for route in routes:
        yield from (each for each in (route.query, route.body, route.answer) if each not in (None, Lines))


def _operation(route: Route, components: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.operation,
        "summary": route.summary,
        "tags": [route.path.removeprefix(f"{PREFIX}/").partition("/")[0]],
        "x-guard-role": route.role.value,
        "responses": _responses(route),
    }
    parameters = [*_path_parameters(route), *_query_parameters(route, components)]
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": _content(route.body)}
    return operation


def _path_parameters(route: Route) -> Iterable[dict[str, Any]]:
    if "{id}" in route.path:
        schema = {"type": "string", "minLength": 1, "maxLength": 128}
        yield {"name": "id", "in": "path", "required": True, "schema": schema, "description": "Percent-encoded."}


def _query_parameters(route: Route, components: dict[str, Any]) -> Iterable[dict[str, Any]]:
    shape = components[route.query.__name__]
    for name, schema in shape.get("properties", {}).items():
        yield {"name": name, "in": "query", "required": name in shape.get("required", ()), "schema": _given(schema)}


def _given(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that is there has a value: what is left out is left out, and never `null`."""
    if schema.get("default", ...) is not None:
        return schema
    kept = [each for each in schema["anyOf"] if each != {"type": "null"}]
    rest = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    return {**rest, **(kept[0] if len(kept) == 1 else {"anyOf": kept})}


def _responses(route: Route) -> dict[str, Any]:
    statuses = {*_ALWAYS, *(_WITH_BODY if route.body is not None else ())}
    if "{id}" in route.path:
        statuses.add(404)
    if route.method == "POST":
        statuses.add(409)
    told = {str(route.status): {"description": route.answer.__doc__, "content": _content(route.answer)}}
    return told | {str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(statuses)}


def _problem(status: int) -> dict[str, Any]:
    codes = {code: title for code, (of, title) in TITLES.items() if of == status}
    fields: dict[str, Any] = {}
    if status in (429, 503):  # statuses are their own names
        fields["Retry-After"] = {"description": "Seconds.", "required": True, "schema": {"type": "integer"}}
    if status == 401:  # noqa: PLR2004
        fields["WWW-Authenticate"] = {"required": True, "schema": {"type": "string"}}
    told: dict[str, Any] = {
        "description": "; ".join(f"{title} (`{code}`)" for code, title in codes.items()),
        "content": {"application/problem+json": {"schema": {"$ref": _REFERENCE.format(name="Problem")}}},
    }
    return told | ({"headers": fields} if fields else {})


def _content(shape: type) -> dict[str, Any]:
    if shape is Lines:
        return {Lines.MEDIA_TYPE: {"schema": {"type": "string"}}}
    return {"application/json": {"schema": {"$ref": _REFERENCE.format(name=shape.__name__)}}}
