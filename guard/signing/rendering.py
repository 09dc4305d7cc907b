"""A template's syntax tree → one function from a message to its signature base, made once, called for each."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from guard.model.facts import Facts
from guard.signing.functions import FUNCTIONS, BaseFault
from guard.signing.scheme import BaseBuilder, Values
from guard.signing.template import Call, Name, Node, Place, Tag, Text
from guard.wire import documents
from guard.wire.documents import Pointer


def _method(facts: Facts, _: Values) -> bytes:
    """As received: a method is case-sensitive (RFC 9110 section 9.1)."""
    return facts.verb.encode("utf-8", "surrogatepass")


def _path(facts: Facts, _: Values) -> bytes:
    return facts.path


def _raw_query(facts: Facts, _: Values) -> bytes:
    return facts.query or b""


def _target(facts: Facts, _: Values) -> bytes:
    query = facts.query
    return facts.path if query is None else facts.path + b"?" + query


def _body(facts: Facts, _: Values) -> bytes:
    if facts.body is None:
        raise BaseFault("the body has not been read")
    return facts.body


def _authority(facts: Facts, _: Values) -> bytes:
    return facts.authority


MESSAGE_PARTS: Mapping[str, BaseBuilder] = MappingProxyType(
    {
        "method": _method,
        "path": _path,
        "raw_query": _raw_query,
        "target": _target,
        "body": _body,
        "authority": _authority,
        "host": _authority,
        "SOH": lambda _facts, _values: b"\x01",
        "LF": lambda _facts, _values: b"\n",
    }
)
"""The names that every template may use. `host` is the authority under the name that most venues give it."""


def render(nodes: tuple[Node, ...]) -> BaseBuilder:
    """The function that joins the values of the nodes. Raises BaseFault if the message lacks what one of them names."""
    pattern = b"".join(_escaped(node) for node in nodes)
    getters = tuple(_getter(node) for node in nodes if not isinstance(node, Text))

    def build(facts: Facts, values: Values) -> bytes:
        return pattern % tuple([get(facts, values) for get in getters])

    return build


def _escaped(node: Node) -> bytes:
    return node.content.replace(b"%", b"%%") if isinstance(node, Text) else b"%b"


def _getter(node: Node) -> BaseBuilder:
    match node:
        case Text(content):
            return lambda _facts, _values: content
        case Name(name):
            return MESSAGE_PARTS.get(name) or _taken(name)
        case Tag(tag):
            return _tag(tag)
        case Place(pointer):
            return _document(lambda text: documents.scalar(documents.find(documents.parse(text), pointer)))
        case Call(function, arguments) if function in FUNCTIONS:
            return _call(FUNCTIONS[function].apply, tuple(_getter(argument) for argument in arguments))
        case Call(function, (Place(pointer), *rest)):
            return _on_document(function, pointer, rest)
    raise TypeError(node)


def _taken(name: str) -> BaseBuilder:
    """A value that may be absent is signed as empty, which only a profile that calls it optional allows."""
    return lambda _facts, values: values.get(name, b"")


def _tag(tag: bytes) -> BaseBuilder:
    def get(facts: Facts, _: Values) -> bytes:
        found = facts.values(tag)
        if len(found) != 1:
            raise BaseFault("a FIX field that is signed does not occur exactly once")
        return found[0]

    return get


def _call(apply: Callable[..., bytes], getters: tuple[BaseBuilder, ...]) -> BaseBuilder:
    return lambda facts, values: apply(*[get(facts, values) for get in getters])


def _on_document(function: str, pointer: Pointer, rest: list[Node]) -> BaseBuilder:
    if function == "raw_json":
        return _document(lambda text: documents.raw_value(text, pointer))
    excluded = frozenset(node.content.decode() for node in rest if isinstance(node, Text))
    return _document(lambda text: documents.sorted_pairs(documents.find(documents.parse(text), pointer), excluded))


def _document(read: Callable[[bytes], bytes]) -> BaseBuilder:
    def get(facts: Facts, values: Values) -> bytes:
        try:
            return read(_body(facts, values))
        except (documents.DocumentFault, KeyError) as fault:
            raise BaseFault("the body lacks what is signed") from fault

    return get
