"""A route's key, `METHOD /path`, taken apart; and how two of them relate. The semantics are those of Go's ServeMux.

A segment is a literal, `{name}` for any one non-empty segment, or `{name...}` for all that is left, at least one. A
template must itself be a path in its one canonical spelling, so that it means the same to every backend
(CVE-2021-43557, CVE-2025-66490, CVE-2026-73553 and their family).
"""

import re
from enum import Enum, StrEnum
from typing import Final

import msgspec

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ANY: Final = "ANY"
ROUTE_KEY_PATTERN: Final = "^(" + "|".join((*METHODS, ANY)) + ") /"

_SEGMENTS_MAX: Final = 32

_LITERAL = re.compile(r"[A-Za-z0-9._~!$&'()*+,=:@-]*", re.ASCII)
_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]{0,31})(\.\.\.)?\}", re.ASCII)


class Kind(StrEnum):
    """What a segment of a template matches."""

    LITERAL = "literal"
    VARIABLE = "variable"
    REST = "rest"


class Segment(msgspec.Struct, frozen=True, gc=False):
    """One segment; `text` is empty unless it is a literal."""

    kind: Kind
    text: str = ""


class Template(msgspec.Struct, frozen=True):
    """A route's key, taken apart. `methods` are those that it matches: HEAD follows GET, ANY is all seven."""

    key: str
    method: str
    path: str
    segments: tuple[Segment, ...]

    @property
    def methods(self) -> frozenset[str]:
        """Every method that a request may have to match."""
        if self.method == ANY:
            return frozenset(METHODS)
        return frozenset({"GET", "HEAD"} if self.method == "GET" else {self.method})


class KeyFault(msgspec.Struct, frozen=True):
    """Why a text is no route key."""

    code: str
    message: str
    help_text: str = ""


class Relation(Enum):
    """How what `a` matches relates to what `b` matches."""

    DISJOINT = 0
    EQUAL = 1
    NARROWER = 2
    WIDER = 3
    CROSSING = 4


def parse_key(key: str) -> Template | KeyFault:
    """`GET /v1/orders/{id}` taken apart, or why it cannot be."""
    method, blank, path = key.partition(" ")
    if method not in (*METHODS, ANY):
        hint = (
            f"write {method.upper()}"
            if method.upper() in (*METHODS, ANY)
            else f"use one of {', '.join((*METHODS, ANY))}"
        )
        return KeyFault("P211", "a route begins with its method", hint)
    if not blank or not path.startswith("/"):
        return KeyFault("P211", "a route is a method, one blank, and a path that begins with `/`")
    segments = parse_path(path)
    return segments if isinstance(segments, KeyFault) else Template(key, method, path, segments)


def parse_path(path: str) -> tuple[Segment, ...] | KeyFault:
    """The segments of a path template that begins with `/`, or why it has none."""
    texts = path.split("/")[1:]
    if len(texts) > _SEGMENTS_MAX:
        return KeyFault("P212", f"a path may not hold more than {_SEGMENTS_MAX} segments")
    segments: list[Segment] = []
    names: set[str] = set()
    for position, text in enumerate(texts):
        segment = _segment(text, names, last=position == len(texts) - 1)
        if isinstance(segment, KeyFault):
            return segment
        segments.append(segment)
    return tuple(segments)


def relation(a: Template, b: Template) -> Relation:
    """How the requests that `a` matches relate to those that `b` matches, methods and paths together."""
    shared = a.methods & b.methods
    if not shared:
        return Relation.DISJOINT
    paths = path_relation(a.segments, b.segments)
    if a.methods == b.methods:
        return paths
    by_method = Relation.NARROWER if shared == a.methods else Relation.WIDER
    return by_method if paths in (Relation.EQUAL, by_method) else _crossing_unless_disjoint(paths)


def path_relation(a: tuple[Segment, ...], b: tuple[Segment, ...]) -> Relation:
    """How the paths that `a` matches relate to those that `b` matches."""
    narrower = wider = False
    for position in range(max(len(a), len(b))):
        left, right = a[position : position + 1], b[position : position + 1]
        if not left or not right:
            return Relation.DISJOINT
        if left == right:
            continue
        kinds = left[0].kind, right[0].kind
        if Kind.REST in kinds:
            beside = b[-1] if kinds[0] is Kind.REST else a[-1]
            if beside == _EMPTY:
                return Relation.DISJOINT
            narrower, wider = narrower or kinds[1] is Kind.REST, wider or kinds[0] is Kind.REST
            break
        if kinds == (Kind.LITERAL, Kind.LITERAL) or _EMPTY in (left[0], right[0]):
            return Relation.DISJOINT
        narrower, wider = narrower or kinds[0] is Kind.LITERAL, wider or kinds[1] is Kind.LITERAL
    if narrower and wider:
        return Relation.CROSSING
    return Relation.NARROWER if narrower else Relation.WIDER if wider else Relation.EQUAL


def example_of_both(a: Template, b: Template) -> str:
    """A request that both match; they must not be disjoint."""
    method = next(method for method in METHODS if method in a.methods & b.methods)
    texts: list[str] = []
    for position in range(max(len(a.segments), len(b.segments))):
        both = (*a.segments[position : position + 1], *b.segments[position : position + 1])
        texts.append(next((segment.text for segment in both if segment.kind is Kind.LITERAL), "x"))
    return f"{method} /{'/'.join(texts)}"


_EMPTY: Final = Segment(Kind.LITERAL, "")


def _crossing_unless_disjoint(paths: Relation) -> Relation:
    return Relation.DISJOINT if paths is Relation.DISJOINT else Relation.CROSSING


def _segment(text: str, names: set[str], *, last: bool) -> Segment | KeyFault:
    if "{" in text or "}" in text:
        return _variable(text, names, last=last)
    if text in (".", ".."):
        return KeyFault("P212", "a path may not hold the segments `.` and `..`")
    if not text and not last:
        return KeyFault("P212", "a path may not hold `//`")
    if "%" in text:
        return KeyFault("P212", "a path may not hold `%`", "write the character itself, or a variable in its place")
    if _LITERAL.fullmatch(text) is None:
        hint = "use letters, digits and -._~!$&'()*+,=:@"
        return KeyFault("P212", "a path may hold only plain ASCII, without `;`, `?`, `#`, `\\` and blanks", hint)
    return Segment(Kind.LITERAL, text)


def _variable(text: str, names: set[str], *, last: bool) -> Segment | KeyFault:
    match = _VARIABLE.fullmatch(text)
    if match is None:
        return KeyFault(
            "P213", "a variable is a whole segment", "write {name}, or {name...} at the end for all the rest"
        )
    name, rest = match.groups()
    if name in names:
        return KeyFault("P213", f"the variable `{name}` occurs twice")
    names.add(name)
    if rest and not last:
        return KeyFault("P213", f"`{text}` must be the last segment")
    return Segment(Kind.REST if rest else Kind.VARIABLE)
