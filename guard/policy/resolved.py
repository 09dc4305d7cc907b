"""A policy with everything that it leaves out filled in, each value with the place that it comes from.

What is printed is a policy again and means the same. Values of the environment are not in it: `${NAME}` stays as it is.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from guard.model.policy import Route
from guard.policy.cost_schema import CostPart
from guard.policy.diagnostic import visible
from guard.policy.document import Path
from guard.policy.files import services_in
from guard.policy.lints.whole import Whole, whole
from guard.policy.load import Loaded
from guard.policy.schema import LimitPart, RoutePart
from guard.policy.shape import shape
from guard.policy.units import DURATION_PATTERN, PERCENT_PATTERN, SIZE_PATTERN, spelled

_DEFAULT: Final = "default"
_COLUMN: Final = 64
_PLAIN: Final = re.compile(r"[A-Za-z0-9.][A-Za-z0-9._/-]*[A-Za-z]|[a-z]+")
_WORDS_OF_YAML: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_MISSING: Final = object()


class Row(msgspec.Struct, frozen=True):
    """One line: where, what, and from where. `text` None opens a mapping."""

    path: Path
    text: str | None
    origin: str = ""


def all_resolved(loaded: Loaded) -> str:
    """Every policy of a directory that is in order, each under the name of its file."""
    services = {service.name: service for service in loaded.policies.services}
    printed = []
    for document in services_in(loaded.contents):
        policy = shape(document).policy
        printed.append(f"# {visible(document.file)}\n{resolved(whole(document, policy, services[policy.service]))}")
    return "\n\n".join(printed)


def resolved(service: Whole) -> str:
    """The whole policy as YAML, without its tests."""
    return "\n".join(_printed(row) for row in _of_part(service, service.policy, ()))


def _printed(row: Row) -> str:
    opened = "  " * (len(row.path) - 1) + f"{row.path[-1]}:"
    if row.text is None:
        return opened
    return f"{f'{opened} {row.text}':{_COLUMN}}  # {visible(row.origin)}"


def _of_part(service: Whole, part: BaseModel, path: Path) -> Iterator[Row]:
    implied = dict(_implied(service, part, path))
    for name, field in type(part).model_fields.items():
        at = (*path, field.alias or name)
        value = getattr(part, name)
        if at == ("tests",) or (name == "count" and isinstance(part, LimitPart) and part.concurrent is not None):
            continue
        if at == ("limits", "named"):
            yield from _of_named(service, value, path)
        elif isinstance(value, CostPart):  # one number, or one of several mappings of which the rest means nothing
            yield Row(at, *(_written(service, at) if name in part.model_fields_set else (str(value.hold), _DEFAULT)))
        elif isinstance(value, BaseModel):
            yield from _opened(at, list(_of_part(service, value, at)))
        elif isinstance(value, dict):
            yield from _opened(at, list(_of_named(service, value, at)))
        elif name in part.model_fields_set:
            yield Row(at, *_written(service, at))
        elif at[-1] in implied:
            yield Row(at, *implied[str(at[-1])])
        elif value not in (None, ()):
            yield Row(at, _spelled(field, value), _DEFAULT)


def _of_named(service: Whole, parts: Mapping[str, Any], path: Path) -> Iterator[Row]:
    for name, part in parts.items():
        at = (*path, name)
        if isinstance(part, BaseModel):
            yield from _opened(at, list(_of_part(service, part, at)))
        else:
            yield Row(at, *_written(service, at))


def _opened(path: Path, rows: list[Row]) -> Iterator[Row]:
    if rows:
        yield Row(path, None)
        yield from rows


def _written(service: Whole, path: Path) -> tuple[str, str]:
    """As the author wrote it; a scalar that stands for a mapping is found above."""
    document = service.document
    content: object = document.content
    for step in path:
        if not isinstance(content, Mapping):
            break
        content = content[step]
    home, there = document.home(path)
    return _yaml(content), f"{home.file}:{home.span(there, key=True).line}"


def _implied(service: Whole, part: BaseModel, path: Path) -> Iterator[tuple[str, tuple[str, str]]]:
    """What a part leaves to others: to the service, to what stands beside it, or to guard."""
    if isinstance(part, RoutePart):
        yield from _of_route(service, service.routes[str(path[-1])])
    elif isinstance(part, LimitPart):
        if part.rate is not None:
            yield "burst", (str(part.rate.tokens), "default: one period's worth")
        yield "expose", (_yaml(bool({"key", "account"} & set(part.per))), "default: if it counts keys or accounts")
    elif path == ("auth",) and not service.policy.auth.schemes:
        yield "scheme", ("guard-v1", _DEFAULT)
    elif path == ("store", "on_failure"):
        yield "limits", ("local 50%", _DEFAULT)
    elif path == ("client_ip",) and service.policy.client_ip.trust:
        yield "header", ("X-Forwarded-For", _DEFAULT)


def _of_route(service: Whole, route: Route) -> Iterator[tuple[str, tuple[str, str]]]:
    yield "reads", (_yaml(route.reads), f"default: by the method {route.method}")
    yield "max_body", (_size(route.max_body_bytes), _of_service(service, ("upstream", "max_body")))
    yield "timeout", (spelled(route.total_ms), _of_service(service, ("upstream", "timeout", "total")))
    if route.auth is not None:
        place: Path = ("auth", "schemes") if service.policy.auth.schemes else ("auth", "scheme")
        yield "schemes", (_yaml(list(route.auth.schemes)), _of_service(service, place))
        algorithms = _yaml(sorted(str(one) for one in route.auth.algorithms))
        yield "algorithms", (algorithms, _of_service(service, ("auth", "algorithms")))


def _of_service(service: Whole, path: Path) -> str:
    if path not in service.document.values:
        return f"{_DEFAULT} of the service"
    return f"{service.document.file}:{service.document.span(path, key=True).line}"


def _spelled(field: FieldInfo, value: object) -> str:
    """A default as an author would write it."""
    patterns = [getattr(one, "json_schema", None) for one in field.metadata]
    pattern = next((one.get("pattern") for one in patterns if one), None)
    if isinstance(value, int) and pattern == DURATION_PATTERN:
        return spelled(value)
    if isinstance(value, int) and pattern == SIZE_PATTERN:
        return _size(value)
    return f"{value}%" if pattern == PERCENT_PATTERN else _yaml(value)


def _size(size_bytes: int) -> str:
    unit, factor = next(one for one in (("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)) if size_bytes % one[1] == 0)
    return f"{size_bytes // factor}{unit}"


def _yaml(value: object) -> str:
    """A value on one line. JSON is YAML; plain words need no quotes."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS_OF_YAML:
        return value
    return json.dumps(value, ensure_ascii=False)
