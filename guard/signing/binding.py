"""What a signature base really binds: computed from its syntax tree, so that a profile cannot claim more than it signs.

A function that gives one result for two arguments (`lower`, `split`, `strip_prefix`) binds nothing; decoding binds only
where the shape refuses what it would confuse. A value is bound if the base names it, or signs the place it is from.
"""

from collections.abc import Mapping
from itertools import pairwise
from types import MappingProxyType

from guard.model.facts import Transport
from guard.signing.scheme import Source, SourceKind
from guard.signing.template import Call, Name, Node, Place, Tag, Text
from guard.wire.documents import Pointer

_PARTS: Mapping[Transport, Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        Transport.HTTP: MappingProxyType(
            {
                "method": frozenset({"method"}),
                "path": frozenset({"path", "target"}),
                "query": frozenset({"raw_query", "target"}),
                "body": frozenset({"body", "content_digest"}),
                "authority": frozenset({"authority", "host"}),
            }
        ),
        Transport.WEBSOCKET: MappingProxyType({"body": frozenset({"body"})}),
        Transport.FIX: MappingProxyType({"body": frozenset({"body"})}),
    }
)
"""The parts of a message that a base can leave free, and the placeholders of which any one binds it."""

_SIGNATURES = frozenset({"signature", "credential"})
_LOSSY = frozenset({"lower", "upper", "split", "strip_prefix"})
_QUERY = frozenset({"raw_query", "target"})


class _Bound:
    """What a walk over the tree has found to be signed."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.tags: set[bytes] = set()
        self.places: set[tuple[Pointer, frozenset[bytes]]] = set()
        self.dropped: set[tuple[str, bytes]] = set()

    def walk(self, node: Node, *, decoding_binds: bool) -> None:
        match node:
            case Name(name):
                self.names.add(name)
            case Tag(tag):
                self.tags.add(tag)
            case Place(pointer):
                self.places.add((pointer, frozenset()))
            case Call("sorted_pairs", (Place(pointer), *rest)):
                self.places.add((pointer, frozenset(text.content for text in rest if isinstance(text, Text))))
            case Call("without", (Name(name), Text(parameter))):
                self.names.add(name)
                self.dropped.add((name, parameter))
            case Call(function, arguments) if function not in _LOSSY and (function != "urldecode" or decoding_binds):
                for argument in arguments:
                    self.walk(argument, decoding_binds=decoding_binds)


def unbound_parts(
    nodes: tuple[Node, ...], named: Mapping[str, tuple[Source, ...]], transport: Transport, *, decoding_binds: bool
) -> frozenset[str]:
    """The parts of the message, and the names of the taken values, that can change without the base changing."""
    bound = _Bound()
    for node in nodes:
        bound.walk(node, decoding_binds=decoding_binds)
    own = {(source.kind, source.name) for name in _SIGNATURES for source in named.get(name, ())}
    for placeholder, parameter in bound.dropped:
        kind = SourceKind.FORM if placeholder == "body" else SourceKind.QUERY
        if (kind, parameter) not in own:
            bound.names.discard(placeholder)
    parts = {part for part, any_of in _PARTS[transport].items() if not any_of & bound.names}
    values = {
        name
        for name, sources in named.items()
        if name not in _SIGNATURES and name not in bound.names and not all(_is_bound(place, bound) for place in sources)
    }
    return frozenset(parts | values)


def query_touches_body(nodes: tuple[Node, ...]) -> bool:
    """Whether the base joins query and body with nothing between, so that bytes can move from one to the other."""
    for node in nodes:
        if isinstance(node, Call) and query_touches_body(node.arguments):
            return True
    named = [_names(node) for node in nodes]
    return any(
        (left & _QUERY and "body" in right) or ("body" in left and right & _QUERY) for left, right in pairwise(named)
    )


def names_in(nodes: tuple[Node, ...]) -> frozenset[str]:
    """Every name that the nodes mention. `body` is among them if they read a document."""
    return frozenset().union(*(_names(node) for node in nodes))


def _is_bound(source: Source, bound: _Bound) -> bool:
    if source.kind is SourceKind.HEADER:
        return False
    if source.kind is SourceKind.FIX:
        return source.name in bound.tags
    if source.kind is SourceKind.QUERY:
        return bool(bound.names & _QUERY)
    if "body" in bound.names:
        return True
    return any(_reaches(place, excluded, source.pointer) for place, excluded in bound.places)


def _reaches(place: Pointer, excluded: frozenset[bytes], pointer: Pointer) -> bool:
    below = pointer[len(place) :]
    return pointer[: len(place)] == place and not (below and below[0].encode() in excluded)


def _names(node: Node) -> frozenset[str]:
    match node:
        case Name(name):
            return frozenset({name})
        case Place():
            return frozenset({"body"})
        case Call(_, arguments):
            return names_in(arguments)
    return frozenset()
