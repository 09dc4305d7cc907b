"""The field section of a request: is it one that every program reads in the same way? (RFC 9110 section 5)

The edge's parser has split it into names and values; parsers forgive, so everything is looked at again. What a single
field means is judged elsewhere: framing and Host in `wire/http_message.py`, credentials in `wire/field_names.py`.
"""

from collections.abc import Sequence

from guard.model.facts import Defect, Field
from guard.wire.hop_by_hop import HOP_BY_HOP, connection_members
from guard.wire.owned_fields import fold, is_alias, is_owned

TOKEN_BYTES = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUE_BYTES = bytes([0x09, *range(0x20, 0x7F)])
_ORDINARY_NAME_BYTES = b"-0123456789abcdefghijklmnopqrstuvwxyz\n"

SINGLETONS = frozenset(
    {
        *(b"host", b"content-length", b"content-type", b"content-digest", b"transfer-encoding"),
        *(b"authorization", b"expect"),
    }
)
"""Fields of which a second one leaves open which one counts. Beside them: all `guard-*` fields."""

_CODE = "request.malformed"


def in_lower_case(fields: Sequence[Field]) -> tuple[Field, ...]:
    """The same fields, in the same order, names in lower case."""
    joined = b"".join([name for name, _ in fields])
    if joined == joined.lower():
        return tuple(fields)
    return tuple((name.lower(), value) for name, value in fields)


def fields_defect(fields: tuple[Field, ...]) -> Defect | None:
    """The first thing about the fields (names in lower case) that is ill-formed or ambiguous, or None."""
    names = [name for name, _ in fields]
    joined = b"\n".join(names)
    separators = b"\n" * (len(names) - 1)
    if joined.translate(None, TOKEN_BYTES) != separators or b"" in names:
        return Defect(_CODE, "a field name is not a token")
    fault = _value_fault(b"\n".join([value for _, value in fields]), separators)
    if fault is None and joined.translate(None, _ORDINARY_NAME_BYTES):
        fault = _alias_fault(names)
    if fault is None and len(set(names)) != len(names):
        fault = _repetition_fault(names)
    if fault is None and b"connection" in names:
        fault = _connection_fault(fields)
    return None if fault is None else Defect(_CODE, fault)


def _value_fault(joined: bytes, separators: bytes) -> str | None:
    """No control bytes, no bytes above ASCII (A16: filters fail open on them), no white space left around a value."""
    if joined.translate(None, _VALUE_BYTES) != separators:
        return "a field value contains a byte that is neither visible ASCII nor white space"
    edges = (b" \n", b"\t\n", b"\n ", b"\n\t")
    if joined[:1] in (b" ", b"\t") or joined[-1:] in (b" ", b"\t") or any(edge in joined for edge in edges):
        return "a field value begins or ends with white space"
    return None


def _alias_fault(names: list[bytes]) -> str | None:
    for name in names:
        folded = fold(name)
        if is_alias(name) or (folded != name and (folded in SINGLETONS or folded in HOP_BY_HOP)):
            return "a field has a name that is another spelling of a reserved one"
    return None


def _repetition_fault(names: list[bytes]) -> str | None:
    seen: set[bytes] = set()
    for name in names:
        if name in seen and (name in SINGLETONS or name.startswith(b"guard-")):
            return "a field that may appear once appears twice"
        seen.add(name)
    return None


def _connection_fault(fields: tuple[Field, ...]) -> str | None:
    """Whoever lists a field in Connection asks each hop to drop it: not those that decide who asks and what (A13)."""
    for member in connection_members(fields):
        if member.translate(None, TOKEN_BYTES):
            return "Connection is not a list of tokens"
        if is_owned(member) or fold(member) in SINGLETONS:
            return "Connection lists a field that must not be dropped"
    return None
