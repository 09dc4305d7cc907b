"""The routes of one service: are they well-formed, unambiguous and reachable, and the tree that the core walks.

Most specific wins; two routes that match one request, neither more specific than the other, are an error and not a
matter of order. This file judges keys only; what a route demands is `auth.py` and `limits.py`.
"""

from collections.abc import Iterable, Iterator, Mapping

from guard.model.policy import Route, RouteNode
from guard.policy.diagnostic import Diagnostic, quoted
from guard.policy.document import Document
from guard.policy.templates import (
    KeyFault,
    Kind,
    Relation,
    Segment,
    Template,
    example_of_both,
    parse_key,
    parse_path,
    path_relation,
    relation,
)


def read_templates(document: Document, keys: Iterable[str]) -> tuple[dict[str, Template], list[Diagnostic]]:
    """The keys taken apart, and everything that is wrong with them, each by itself and among one another."""
    templates: dict[str, Template] = {}
    faults: list[Diagnostic] = []
    for key in keys:
        parsed = parse_key(key)
        if isinstance(parsed, KeyFault):
            faults.append(_at(document, key, parsed.code, parsed.message, parsed.help_text))
        else:
            templates[key] = parsed
    faults += _conflicts(document, list(templates.values()))
    faults += _spellings(document, templates.values())
    return templates, faults


def prefix_faults(document: Document, prefix: str, templates: Mapping[str, Template]) -> list[Diagnostic]:
    """Whether the prefix is a plain canonical path, and every route lies under it."""
    segments = parse_path(prefix) if prefix.startswith("/") else KeyFault("P212", "a prefix begins with `/`")
    place = ("match", "prefix")
    if isinstance(segments, KeyFault):
        return [document.fault(segments.code, place, segments.message, help_text=segments.help_text)]
    if any(segment.kind is not Kind.LITERAL for segment in segments):
        return [document.fault("P212", place, "a prefix may not hold variables")]
    if prefix != "/" and prefix.endswith("/"):
        return [
            document.fault("P212", place, "a prefix does not end with `/`", help_text=f"write {prefix.rstrip('/')}")
        ]
    return [
        _at(document, key, "P214", f"{quoted(template.path)} does not lie under the prefix {quoted(prefix)}")
        for key, template in templates.items()
        if template.path != prefix and not template.path.startswith(prefix.rstrip("/") + "/")
    ]


def build_tree(routes: Iterable[tuple[Template, Route]]) -> RouteNode:
    """The tree of all routes. HEAD stands beside GET, with GET's route, unless it has its own."""
    return _node([(template.segments, route) for template, route in routes])


def _node(branches: list[tuple[tuple[Segment, ...], Route]]) -> RouteNode:
    literals: dict[str, list[tuple[tuple[Segment, ...], Route]]] = {}
    variable: list[tuple[tuple[Segment, ...], Route]] = []
    here: dict[str, Route] = {}
    rest: dict[str, Route] = {}
    for segments, route in branches:
        if not segments:
            here[route.method] = route
        elif segments[0].kind is Kind.REST:
            rest[route.method] = route
        elif segments[0].kind is Kind.VARIABLE:
            variable.append((segments[1:], route))
        else:
            literals.setdefault(segments[0].text, []).append((segments[1:], route))
    return RouteNode(
        literals={text.encode(): _node(below) for text, below in literals.items()},
        folded=frozenset(text.lower().encode() for text in literals),
        variable=_node(variable) if variable else None,
        here=_with_head(here),
        rest=_with_head(rest),
    )


def _with_head(methods: dict[str, Route]) -> dict[str, Route]:
    return {"HEAD": methods["GET"], **methods} if "GET" in methods else methods


def _conflicts(document: Document, templates: list[Template]) -> Iterator[Diagnostic]:
    """At most one diagnostic a route: with the first route before it that it cannot stand beside."""
    for position, later in enumerate(templates):
        for earlier in templates[:position]:
            found = relation(earlier, later)
            if found not in (Relation.EQUAL, Relation.CROSSING):
                continue
            line = document.span(("routes", earlier.key), key=True).line
            if found is Relation.EQUAL:
                message = f"the same requests as {quoted(earlier.key)} at line {line}"
                yield _at(document, later.key, "P302", message, "leave one of them out")
            else:
                both = quoted(example_of_both(earlier, later))
                message = f"ambiguous with {quoted(earlier.key)} at line {line}: both match {both}"
                yield _at(
                    document,
                    later.key,
                    "P301",
                    message,
                    "make one of them more specific than the other, in method and path",
                )
            break
        else:
            yield from _covered(document, later, templates)


def _covered(document: Document, template: Template, templates: list[Template]) -> Iterator[Diagnostic]:
    """A route whose every method has a route of its own on the same path."""
    narrower = [
        other
        for other in templates
        if other.methods < template.methods and path_relation(other.segments, template.segments) is Relation.EQUAL
    ]
    if narrower and frozenset[str]().union(*(other.methods for other in narrower)) == template.methods:
        yield _at(document, template.key, "P302", "never matches: each of its methods has a route of its own")


def _spellings(document: Document, templates: Iterable[Template]) -> Iterator[Diagnostic]:
    """Literals in the same place that differ only in case: neither would ever match (see RouteNode)."""
    seen: dict[tuple[Segment | str, ...], tuple[str, Template]] = {}
    for template in templates:
        for position, segment in enumerate(template.segments):
            if segment.kind is not Kind.LITERAL:
                continue
            place: tuple[Segment | str, ...] = (*template.segments[:position], segment.text.lower())
            text, first = seen.setdefault(place, (segment.text, template))
            if text != segment.text:
                line = document.span(("routes", first.key), key=True).line
                message = f"{quoted(segment.text)} differs only in case from {quoted(text)} at line {line}"
                yield _at(
                    document, template.key, "P307", message, "choose one spelling: a backend may take both for one"
                )
                break


def _at(document: Document, key: str, code: str, message: str, help_text: str = "") -> Diagnostic:
    return document.fault(code, ("routes", key), message, help_text=help_text, key=True)
