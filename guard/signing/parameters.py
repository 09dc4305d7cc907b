"""Parameters of a raw query or a form body (application/x-www-form-urlencoded), split but never rewritten.

Names are compared as received. What a decoder behind us might read as the same name is `lookalike`.
"""

from urllib.parse import unquote_to_bytes

from guard.model.facts import Facts

FORM_TYPE = b"application/x-www-form-urlencoded"
JSON_TYPE = b"application/json"


def pairs(raw: bytes) -> list[tuple[bytes, bytes]]:
    """Name and value of each parameter as received, in order. A parameter without `=` has an empty value."""
    if not raw:
        return []
    split = (part.partition(b"=") for part in raw.split(b"&"))
    return [(name, value) for name, _, value in split]


def without(raw: bytes, name: bytes) -> bytes:
    """`raw` less the parameters called exactly `name`; the order and every other byte stay."""
    return b"&".join(part for part in raw.split(b"&") if part.partition(b"=")[0] != name)


def lookalike(name: bytes) -> bytes:
    """What a form decoder makes of a parameter's name: `%73ignature` and `signature` are the same to it."""
    return unquote_to_bytes(name.replace(b"+", b" ")) if b"%" in name or b"+" in name else name


def media_type(facts: Facts) -> bytes:
    """The body's media type in lower case without its parameters; empty if not said exactly once."""
    said = facts.values(b"content-type")
    return said[0].partition(b";")[0].strip().lower() if len(said) == 1 else b""
