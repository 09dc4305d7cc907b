"""A request as the backend will read it: the head in bytes, and a body whose length that head tells the truth about.

Which fields pass is `wire/forwarding.py`; only framing (RFC 9112 §6) is added here, and no other field.
"""

from collections.abc import AsyncIterator, Sequence

import msgspec

from guard.model.facts import Facts, Field

_CONTENT_EXPECTED = frozenset({"POST", "PUT", "PATCH"})  # RFC 9110 §8.6: these say Content-Length: 0 too


class Request(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """`content_bytes` is the length that the head announces, None where the body goes in chunks or there is none."""

    verb: str
    head: bytes
    body: bytes | AsyncIterator[bytes]
    content_bytes: int | None


def request_from(facts: Facts, fields: Sequence[Field], body: bytes | AsyncIterator[bytes]) -> Request:
    """The request line with the exact target, the fields in order, then the framing. No field may name the framing.

    A body that the facts say is not there is not sent, whatever iterator stands for it. Raises ValueError if a line
    would end where it should not: such bytes must have been refused long before.
    """
    if facts.body is not None and not isinstance(body, bytes):
        body = facts.body
    content_bytes = _content_bytes(facts, body)
    lines = [b"%b %b HTTP/1.1" % (facts.verb.encode("latin-1"), facts.target), *map(b": ".join, fields)]
    if content_bytes is not None:
        lines.append(b"content-length: %d" % content_bytes)
    elif not isinstance(body, bytes):
        lines.append(b"transfer-encoding: chunked")
    head = b"\r\n".join(lines)
    if len(head) - len(head.translate(None, b"\r\n")) != 2 * len(lines) - 2:
        raise ValueError("a line of the request holds a line end")
    head += b"\r\n\r\n"
    return Request(verb=facts.verb, head=head, body=body, content_bytes=content_bytes)


def _content_bytes(facts: Facts, body: bytes | AsyncIterator[bytes]) -> int | None:
    if not isinstance(body, bytes):
        return facts.body_bytes_announced
    announced = facts.body_bytes_announced is not None
    return len(body) if body or announced or facts.verb in _CONTENT_EXPECTED else None
