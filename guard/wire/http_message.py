"""An HTTP/1.1 request as Facts, with everything about it that two programs may read in two ways (RFC 9110, RFC 9112).

Only the origin-form of a target is accepted. RFC 9112 section 3.2.2 asks servers to take the absolute-form too, but
then a message names two authorities, and routing, signature and backend may each pick another; clients send it to
forward proxies only, which guard is not (BYPASSES.md A09). Nothing is repaired: what is ambiguous becomes a Defect.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from guard.model.facts import Defect, Facts, Field, FieldNames, Transport
from guard.model.names import Address, RequestId, UnixMs
from guard.wire.client_address import canonical
from guard.wire.fields import TOKEN_BYTES, fields_defect, in_lower_case
from guard.wire.path import path_defect, query_defect

_AUTHORITY = re.compile(
    rb"(?:[A-Za-z0-9_\-]++(?:\.[A-Za-z0-9_\-]++)*+\.?|\[(?P<v6>[0-9A-Fa-f:.]++)\])(?::(?P<port>[0-9]{0,5}+))?"
)
_AUTHORITY_BYTES_MAX = 261  # a DNS name of 253, its final dot, a port
_PORT_MAX = 65535
_SHORT_BYTES = 256
"""A target of a length that is worth remembering what is wrong with it."""

_DIGITS_MAX = 19
_LENGTH = re.compile(rb"[0-9]{1,%d}" % _DIGITS_MAX)
_NO_ADDRESS = Address("0.0.0.0")  # noqa: S104  # not bound: it stands for a peer that has no address

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})  # known to be tokens

_CODE = "request.malformed"
_NO_ORIGIN_FORM = Defect(_CODE, "the request target is not in origin-form: it must begin with a slash")
_NO_PEER = Defect(_CODE, "the peer has no plain IP address")
_NO_HOST = Defect(_CODE, "Host is not a name or address with at most a port")


def facts_from_http(
    *,
    method: str,
    target: bytes,
    fields: Sequence[Field],
    names: FieldNames | None = None,
    plain: bool = False,
    body: bytes | None = None,
    client_certificate: bytes | None = None,
    peer: str,
    secure: bool,
    received_at: UnixMs,
    request_id: RequestId,
) -> Facts:
    """What arrived, and in `defects` all that is wrong with it. Never raises; never decodes.

    `peer` is the address at the other end of the connection, `body` what came with the head if all of it did.
    `names` are those of `fields`, if those are in lower case; `plain` says that their values are visible ASCII without
    outer blanks.
    """
    if names is None:
        fields, names = in_lower_case(fields)
    table = dict(fields)  # of a field that appears twice the last, and a defect
    path, query, defects = _remembered_target(target) if len(target) <= _SHORT_BYTES else _target(target)
    length, coding = table.get(b"content-length"), table.get(b"transfer-encoding")
    announced = None if length is None or len(length) > _DIGITS_MAX else _announced(length)
    facts = Facts(
        transport=Transport.HTTP,
        verb=method,
        authority=table.get(b"host", b""),
        path=path,
        query=query,
        fields=tuple(fields),
        names=names,
        body=b"" if coding is None and (length is None or announced == 0) else body,
        body_bytes_announced=announced if coding is None else None,
        peer=canonical(peer) or _NO_ADDRESS,
        secure=secure,
        client_certificate=client_certificate,
        received_at=received_at,
        request_id=request_id,
    )
    found = tuple(filter(None, _faults(facts, table, defects, plain=plain)))
    return msgspec.structs.replace(facts, defects=found) if found else facts


def _faults(
    facts: Facts, table: dict[bytes, bytes], of_target: tuple[Defect | None, ...], *, plain: bool
) -> tuple[Defect | None, ...]:
    return (
        None if facts.verb in _METHODS else _method_defect(facts.verb),
        *of_target,
        fields_defect(facts.fields, facts.names, plain=plain),
        _host_defect(table.get(b"host")),
        _framing_defect(table.get(b"content-length"), table.get(b"transfer-encoding"), facts.body_bytes_announced),
        _expect_defect(table[b"expect"]) if b"expect" in table else None,
        _NO_PEER if facts.peer is _NO_ADDRESS else None,
    )


def _target(target: bytes) -> tuple[bytes, bytes | None, tuple[Defect | None, ...]]:
    """Path and query, and what is wrong with them."""
    path, mark, rest = target.partition(b"?")
    query = rest if mark else None
    return path, query, (path_defect(path) if path[:1] == b"/" else _NO_ORIGIN_FORM, query_defect(query))


_remembered_target = lru_cache(maxsize=1024)(_target)


@lru_cache(maxsize=1024)
def _announced(length: bytes) -> int | None:
    return int(length) if _LENGTH.fullmatch(length) else None


def _method_defect(method: str) -> Defect | None:
    if method.isascii() and method and not method.encode().translate(None, TOKEN_BYTES):
        return None
    return Defect(_CODE, "the method is not a token")


def _host_defect(host: bytes | None) -> Defect | None:
    """RFC 9112 section 3.2, stricter: a name, an IPv4 address or an IPv6 address in brackets; then perhaps a port."""
    if host is None:
        return Defect(_CODE, "there is no Host")
    return _authority_defect(host) if len(host) <= _AUTHORITY_BYTES_MAX else _NO_HOST


@lru_cache(maxsize=1024)
def _authority_defect(host: bytes) -> Defect | None:
    match = _AUTHORITY.fullmatch(host)
    if match is None:
        return _NO_HOST
    literal, port = match.groups()
    if port and int(port) > _PORT_MAX:
        return Defect(_CODE, "Host has a port that does not exist")
    if literal is not None and (b":" not in literal or canonical(literal.decode("ascii")) is None):
        return Defect(_CODE, "Host has brackets around something that is no IPv6 address")
    return None


def _framing_defect(length: bytes | None, coding: bytes | None, announced: int | None) -> Defect | None:
    """RFC 9112 section 6: one way only to tell where the body ends, spelled in the one way that nobody misreads."""
    if coding is not None and length is not None:
        return Defect(_CODE, "both Content-Length and Transfer-Encoding")
    if coding is not None and coding != b"chunked":
        return Defect(_CODE, "Transfer-Encoding is something other than chunked")
    if length is not None and announced is None:
        return Defect(_CODE, "Content-Length is not a number of at most 19 digits")
    return None


def _expect_defect(expect: bytes) -> Defect | None:
    if expect.lower() != b"100-continue":
        return Defect(_CODE, "Expect asks for something other than 100-continue")
    return None
