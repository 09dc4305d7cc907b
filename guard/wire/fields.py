"""The field section of a request: is it one that every program reads in the same way? (RFC 9110 section 5)

The edge's parser has split it into names and values; parsers forgive, so everything is looked at again. What a single
field means is judged elsewhere: framing and Host in `wire/http_message.py`, credentials in `wire/field_names.py`.
"""

from collections.abc import Sequence
from functools import lru_cache

from guard.model.facts import Defect, Field, FieldNames
from guard.wire.field_names import SEQUENCES_MAX, field_names
from guard.wire.hop_by_hop import HOP_BY_HOP, connection_members
from guard.wire.owned_fields import fold, is_alias, is_owned

TOKEN_BYTES = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUE_BYTES = bytes([0x09, *range(0x20, 0x7F)])
_BLANKS = (b" ", b"\t")

SINGLETONS = frozenset(
    {
        *(b"host", b"content-length", b"content-type", b"content-digest", b"transfer-encoding"),
        *(b"authorization", b"expect"),
    }
)
"""Fields of which a second one leaves open which one counts. Beside them: all `guard-*` fields."""

_CODE = "request.malformed"


def in_lower_case(fields: Sequence[Field]) -> tuple[tuple[Field, ...], FieldNames]:
    """The same fields, in the same order, names in lower case; and those names."""
    names = field_names(fields)
    if _is_lower_case(names):
        return tuple(fields), names
    lowered = tuple([(name.lower(), value) for name, value in fields])
    return lowered, field_names(lowered)


def fields_defect(fields: tuple[Field, ...], names: FieldNames, *, plain: bool = False) -> Defect | None:
    """The first thing about the fields (`names`: theirs, in lower case) that is ill-formed or ambiguous, or None.

    `plain` says that the values were looked at, and are visible ASCII without white space around them.
    """
    fault = _names_fault(names) or (None if plain else _value_fault(fields))
    if fault is None and b"connection" in names.at:
        fault = _connection_fault([fields[position][1] for position in names.at[b"connection"]])
    return None if fault is None else Defect(_CODE, fault)


@lru_cache(maxsize=SEQUENCES_MAX)
def _is_lower_case(names: FieldNames) -> bool:
    return all(name == name.lower() for name in names.at)


@lru_cache(maxsize=SEQUENCES_MAX)
def _names_fault(names: FieldNames) -> str | None:
    if b"" in names.at or any(name.translate(None, TOKEN_BYTES) for name in names.at):
        return "a field name is not a token"
    for name, positions in names.at.items():
        folded = fold(name)
        if is_alias(name) or (folded != name and (folded in SINGLETONS or folded in HOP_BY_HOP)):
            return "a field has a name that is another spelling of a reserved one"
        if len(positions) > 1 and (name in SINGLETONS or name.startswith(b"guard-")):
            return "a field that may appear once appears twice"
    return None


def _value_fault(fields: tuple[Field, ...]) -> str | None:
    """No control bytes, no bytes above ASCII (A16: filters fail open on them), no white space left around a value."""
    joined = b"\n".join([value for _, value in fields])
    if len(joined.translate(None, _VALUE_BYTES)) >= max(len(fields), 1):  # more than the line ends that joined them
        return "a field value contains a byte that is neither visible ASCII nor white space"
    if joined[:1] in _BLANKS or joined[-1:] in _BLANKS:
        return "a field value begins or ends with white space"
    if b" \n" in joined or b"\n " in joined or b"\t\n" in joined or b"\n\t" in joined:
        return "a field value begins or ends with white space"
    return None


def _connection_fault(listed: list[bytes]) -> str | None:
    """Whoever lists a field in Connection asks each hop to drop it: not those that decide who asks and what (A13)."""
    for member in connection_members(listed):
        if member.translate(None, TOKEN_BYTES):
            return "Connection is not a list of tokens"
        if is_owned(member) or fold(member) in SINGLETONS:
            return "Connection lists a field that must not be dropped"
    return None
