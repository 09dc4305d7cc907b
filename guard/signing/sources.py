"""Where a scheme's values stand in a message: the words of a profile for it, and reading them.

A value must occur once among all its sources. Two copies are refused even if they are equal, since the program behind
us may read the other one (HTTP parameter pollution).
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from guard.model.claims import ClaimFault
from guard.model.facts import Facts, FieldNames, Transport
from guard.signing.parameters import FORM_TYPE, JSON_TYPE, lookalike, media_type, pairs
from guard.signing.scheme import Pipe, Source, SourceKind, Sources
from guard.signing.template import parse_pointer
from guard.wire import documents
from guard.wire.documents import Pointer
from guard.wire.field_names import SEQUENCES_MAX

_FIELD = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`~-]{1,128}")
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
_POINTER = re.compile(r"(?:/[A-Za-z0-9_.~-]{1,128}){1,8}")
_TAG = re.compile(r"[1-9][0-9]{0,4}")
_KV = re.compile(r"kv\(([A-Za-z0-9-]{1,64})\)")

_TWICE = ClaimFault("request.malformed", "A credential occurs twice.")
_RESPELLED = ClaimFault("request.malformed", "A credential's name is written in percent-encoding.")


_KINDS = {
    Transport.HTTP: frozenset({SourceKind.HEADER, SourceKind.QUERY, SourceKind.FORM, SourceKind.JSON}),
    Transport.WEBSOCKET: frozenset({SourceKind.WS}),
    Transport.FIX: frozenset({SourceKind.FIX}),
}


class SourceFault(ValueError):  # noqa: N818  # faults are of the text, errors of the program
    """Why a source cannot be used, for the author of a profile."""


def parse_source(text: str, transport: Transport) -> Source:
    """`header:Name`, `header:Name|bearer`, `header:Name|kv(scheme)|name`, `query:name`, `form:name`, `json:/pointer`,
    `ws:/pointer` or `fix:tag`, as far as the transport has it. Raises SourceFault.
    """
    word, colon, rest = text.partition(":")
    if not colon or word not in list(SourceKind):
        raise SourceFault(f"{text!r} is no source; it begins with one of {', '.join(SourceKind)} and a colon")
    kind = SourceKind(word)
    if kind not in _KINDS[transport]:
        raise SourceFault(f"a scheme on {transport} takes nothing from {kind}")
    if kind is SourceKind.HEADER:
        return _header(rest)
    pattern = {SourceKind.FIX: _TAG, SourceKind.QUERY: _PARAMETER, SourceKind.FORM: _PARAMETER}.get(kind, _POINTER)
    if not pattern.fullmatch(rest):
        raise SourceFault(f"{rest!r} cannot follow {kind}:")
    if pattern is _POINTER:
        return Source(kind=kind, pointer=parse_pointer(rest))
    return Source(kind=kind, name=rest.encode())


def _header(text: str) -> Source:
    field, *pipes = text.split("|")
    name = field.lower().encode("ascii", "replace")
    if not _FIELD.fullmatch(field):
        raise SourceFault(f"{field!r} is no field name")
    if not pipes:
        return Source(kind=SourceKind.HEADER, name=name)
    if pipes == ["bearer"]:
        return Source(kind=SourceKind.HEADER, name=name, pipe=_bearer, bearer=True, lead=b"Bearer")
    match = _KV.fullmatch(pipes[0])
    if match is None or len(pipes) != len(("kv", "name")) or not _PARAMETER.fullmatch(pipes[1]):
        raise SourceFault("after a field name stand nothing, |bearer or |kv(scheme)|name")
    lead, item = match[1].encode(), pipes[1].encode()
    pipe = _key_value(lead.lower(), item)
    return Source(kind=SourceKind.HEADER, name=name, pipe=pipe, lead=lead, item=item)


def _bearer(value: bytes) -> bytes | None:
    scheme, _, token = value.partition(b" ")
    return token if scheme.lower() == b"bearer" else None


def _key_value(scheme: bytes, wanted: bytes) -> Pipe:
    """Credentials as `scheme name=value,name=value` (RFC 9110 section 11.4, unquoted as Deribit writes them)."""

    def pick(value: bytes) -> bytes | None:
        said, _, rest = value.partition(b" ")
        if said.lower() != scheme:
            return None
        items = [item.strip(b" \t").partition(b"=") for item in rest.split(b",")]
        found = [text for name, _, text in items if name == wanted]
        return found[0] if len(found) == 1 else None

    return pick


def gather(named: Mapping[str, tuple[Source, ...]]) -> Sources:
    """The sources of all values, ordered for reading in one pass."""
    fields: dict[bytes, tuple[tuple[str, Pipe | None], ...]] = {}
    query: dict[bytes, str] = {}
    form: dict[bytes, str] = {}
    json: list[tuple[Pointer, str]] = []
    for name, sources in named.items():
        for source in sources:
            if source.kind in (SourceKind.HEADER, SourceKind.FIX):
                fields[source.name] = (*fields.get(source.name, ()), (name, source.pipe))
            elif source.kind is SourceKind.QUERY:
                query[source.name] = name
            elif source.kind is SourceKind.FORM:
                form[source.name] = name
            else:
                json.append((source.pointer, name))
    plain = frozenset(key for key, readers in fields.items() if any(pipe is None for _, pipe in readers))
    return Sources(plain=plain, fields=fields, query=query, form=form, json=tuple(json))


def read(sources: Sources, facts: Facts) -> dict[str, bytes] | ClaimFault:
    """Every value that is there, as received. What stands in a body that has not been read is not there."""
    found: dict[str, bytes] = {}
    fault = _read_fields(sources, facts, found)
    if fault is None and sources.query and facts.query:
        fault = _read_parameters(sources.query, facts.query, found)
    if fault is None and facts.body and (sources.form or sources.json):
        fault = _read_body(sources, facts, facts.body, found)
    return found if fault is None else fault


def any_at_head(sources: Sources, facts: Facts) -> bool:
    """Whether any of the sources is there, in the fields, in the query, or in a message that is all body."""
    at = facts.names.at
    if not sources.plain.isdisjoint(at):
        return True
    for key, readers in sources.fields.items():
        for position in at.get(key, ()):
            value = facts.fields[position][1]
            if any(pipe is not None and pipe(value) is not None for _, pipe in readers):
                return True
    if sources.query and facts.query and any(lookalike(name) in sources.query for name, _ in pairs(facts.query)):
        return True
    if facts.transport is not Transport.WEBSOCKET or not facts.body:
        return False
    found: dict[str, bytes] = {}
    return _read_document(sources, facts.body, found) is None and bool(found)


def _read_fields(sources: Sources, facts: Facts, found: dict[str, bytes]) -> ClaimFault | None:
    readings = _readings(sources, facts.names)
    if readings is None:
        return _TWICE
    fields = facts.fields
    for name, position, pipe in readings:
        picked = fields[position][1] if pipe is None else pipe(fields[position][1])
        if picked is None:
            continue
        if name in found:
            return _TWICE
        found[name] = picked
    return None


@lru_cache(maxsize=SEQUENCES_MAX)
def _readings(sources: Sources, names: FieldNames) -> tuple[tuple[str, int, Pipe | None], ...] | None:
    """What is taken from which position, and how, where a message has these names; None if one of them occurs twice."""
    readings: list[tuple[str, int, Pipe | None]] = []
    for key, readers in sources.fields.items():
        positions = names.at.get(key, ())
        if len(positions) > 1:
            return None
        readings += [(name, position, pipe) for position in positions for name, pipe in readers]
    return tuple(readings)


def _read_parameters(wanted: Mapping[bytes, str], raw: bytes, found: dict[str, bytes]) -> ClaimFault | None:
    for key, value in pairs(raw):
        name = wanted.get(lookalike(key))
        if name is None:
            continue
        if key not in wanted:
            return _RESPELLED
        if name in found:
            return _TWICE
        found[name] = value
    return None


def _read_body(sources: Sources, facts: Facts, body: bytes, found: dict[str, bytes]) -> ClaimFault | None:
    if facts.transport is Transport.WEBSOCKET:
        return _read_document(sources, body, found)
    kind = media_type(facts)
    if sources.form and kind == FORM_TYPE:
        return _read_parameters(sources.form, body, found)
    if sources.json and kind == JSON_TYPE:
        return _read_document(sources, body, found)
    return None


def _read_document(sources: Sources, body: bytes, found: dict[str, bytes]) -> ClaimFault | None:
    try:
        document = documents.parse(body)
    except documents.DocumentFault as fault:
        return ClaimFault("request.bad_body", f"{fault}.")
    for pointer, name in sources.json:
        try:
            value = documents.scalar(documents.find(document, pointer))
        except KeyError:
            continue
        except documents.DocumentFault:
            return ClaimFault("auth.malformed", f"The {name} is neither a text nor a number.")
        if name in found:
            return _TWICE
        found[name] = value
    return None
