"""An HTTP/1.1 request as Facts, with everything about it that two programs may read in two ways (RFC 9110, RFC 9112).

Only the origin-form of a target is accepted. RFC 9112 section 3.2.2 asks servers to take the absolute-form too, but
then a message names two authorities, and routing, signature and backend may each pick another; clients send it to
forward proxies only, which guard is not (BYPASSES.md A09). Nothing is repaired: what is ambiguous becomes a Defect.
"""

import re
from collections.abc import Sequence

from guard.model.facts import Defect, Facts, Field, Transport
from guard.model.names import Address, RequestId, UnixMs
from guard.wire.client_address import canonical
from guard.wire.fields import TOKEN_BYTES, fields_defect, in_lower_case
from guard.wire.path import path_defect, query_defect

_AUTHORITY = re.compile(
    rb"(?:[A-Za-z0-9_\-]++(?:\.[A-Za-z0-9_\-]++)*+\.?|\[(?P<v6>[0-9A-Fa-f:.]++)\])(?::(?P<port>[0-9]{0,5}+))?"
)
_AUTHORITY_BYTES_MAX = 261  # a DNS name of 253, its final dot, a port
_PORT_MAX = 65535
_LENGTH = re.compile(rb"[0-9]{1,19}")
_NO_ADDRESS = Address("0.0.0.0")  # noqa: S104  # not bound: it stands for a peer that has no address

_CODE = "request.malformed"


def facts_from_http(
    *,
    method: bytes,
    target: bytes,
    fields: Sequence[Field],
    peer: str,
    secure: bool,
    received_at: UnixMs,
    request_id: RequestId,
) -> Facts:
    """What arrived, and in `defects` all that is wrong with it. Never raises; never decodes.

    `fields` are as the parser split them, with `peer` the address at the other end of the connection. `body` is None if
    one follows. Which methods exist is for routing to say.
    """
    table = dict(fields := in_lower_case(fields))
    path, mark, query = target.partition(b"?")
    address = canonical(peer)
    length, coding = table.get(b"content-length"), table.get(b"transfer-encoding")
    announced = int(length) if length is not None and _LENGTH.fullmatch(length) else None
    found = (
        _request_line_defect(method, target),
        path_defect(path) if target.startswith(b"/") else None,
        query_defect(query) if mark else None,
        fields_defect(fields),
        _host_defect(table.get(b"host")),
        _framing_defect(length, coding, announced),
        _expect_defect(table.get(b"expect")),
        Defect(_CODE, "the peer has no plain IP address") if address is None else None,
    )
    return Facts(
        transport=Transport.HTTP,
        verb=method.decode("latin-1"),
        authority=table.get(b"host", b""),
        path=path,
        query=query if mark else None,
        fields=fields,
        body=b"" if coding is None and (length is None or announced == 0) else None,
        body_bytes_announced=announced if coding is None else None,
        peer=_NO_ADDRESS if address is None else address,
        secure=secure,
        received_at=received_at,
        request_id=request_id,
        defects=tuple(filter(None, found)),
    )


def _request_line_defect(method: bytes, target: bytes) -> Defect | None:
    if not method or method.translate(None, TOKEN_BYTES):
        return Defect(_CODE, "the method is not a token")
    if not target.startswith(b"/"):
        return Defect(_CODE, "the request target is not in origin-form: it must begin with a slash")
    return None


def _host_defect(host: bytes | None) -> Defect | None:
    """RFC 9112 section 3.2, stricter: a name, an IPv4 address or an IPv6 address in brackets; then perhaps a port."""
    if host is None:
        return Defect(_CODE, "there is no Host")
    match = _AUTHORITY.fullmatch(host) if len(host) <= _AUTHORITY_BYTES_MAX else None
    if match is None:
        return Defect(_CODE, "Host is not a name or address with at most a port")
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


def _expect_defect(expect: bytes | None) -> Defect | None:
    if expect is not None and expect.lower() != b"100-continue":
        return Defect(_CODE, "Expect asks for something other than 100-continue")
    return None
