"""The client's side of any scheme: a request that gets the credentials which the scheme wants, where it wants them.

For policy tests. What a real client of guard-v1 does is `signer.py`.
"""

import base64
import json
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, Literal
from urllib.parse import quote_from_bytes

import msgspec
from msgspec import structs

from guard.model.facts import Facts, Field, Transport
from guard.model.names import Address, KeyId, RequestId, UnixMs
from guard.signing.content_digest import make_content_digest
from guard.signing.parameters import FORM_TYPE, JSON_TYPE, media_type
from guard.signing.scheme import Encoding, Scheme, Source, SourceKind, Take, TimeUnit
from guard.signing.specimens import Specimen
from guard.wire.field_names import field_names

Forged = Literal["body", "path", "signature"]
"""What is signed otherwise than it is sent."""

_NO_ADDRESS: Final = Address("")
_NONCE_DIGITS: Final = (19, 22, 32, 64, 16, 13, 10)


class CannotSign(ValueError):  # noqa: N818  # a fault of what was asked for, not of the program
    """Why the scheme's credentials cannot be made, for the author of a policy test."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request as it goes out; the names of its fields are in lower case."""

    method: str
    path: bytes
    query: bytes | None = None
    authority: bytes
    fields: tuple[Field, ...] = ()
    body: bytes = b""


class Signer(msgspec.Struct, frozen=True, kw_only=True):
    """Who signs, and as which scheme says."""

    scheme: Scheme
    key_id: KeyId
    key: Specimen

    def sign(self, request: Request, now: UnixMs, number: int, forged: Forged | None = None) -> Request:
        """The request with its credentials, signed at `now`. Raises CannotSign.

        Another `number` makes another nonce. `forged` signs another path or body than is sent, or spoils the signature.
        """
        scheme, key = self.scheme, self.key
        form = scheme.forms.get(key.algorithm)
        if form is None:
            raise CannotSign(f"the scheme {scheme.name} has no {key.algorithm} keys")
        if forged == "body" and not request.body:
            raise CannotSign("there is no body to tamper with")
        if "credential" in scheme.places:
            secret = key.sign(form, b"") if forged != "signature" else b"not-" + key.secret
            return _put(request, scheme, "credential", self.key_id.encode() + b"." + secret)
        values: dict[str, bytes] = {}
        for take in sorted(scheme.takes, key=lambda take: take.name == "content_digest"):  # of the body as it will be
            value = self._value(take, request, now, number, forged)
            if value is not None:
                values[take.name] = value
                request = _put(request, scheme, take.name, value)
        base = scheme.build_base(_facts(_as_signed(request, forged)), MappingProxyType(values))
        signature = key.sign(form, base)
        if forged == "signature":
            signature = bytes([signature[0] ^ 1]) + signature[1:]
        return _put(request, scheme, "signature", _encoded(form.encoding, signature))

    def _value(  # what all values together are made of
        self, take: Take, request: Request, now: UnixMs, number: int, forged: Forged | None
    ) -> bytes | None:
        """What the scheme cannot do without, but for the signature; and the digest of a body."""
        if take.name == "content_digest":
            return make_content_digest(_as_signed(request, forged).body) if request.body else None
        if not take.required or take.name == "signature":
            return None
        match take.name:
            case "key":
                return self.key_id.encode()
            case "timestamp" if self.scheme.time_unit is not None:
                return spelled(self.scheme.time_unit, now)
            case "nonce":
                return _nonce(take, now, number)
        raise CannotSign(f"the scheme {self.scheme.name} wants a {take.name}, and nothing says what to put there")


def spelled(unit: TimeUnit, at: UnixMs) -> bytes:
    """The time as the scheme wants it written, rounded down."""
    seconds, ms = divmod(at, 1000)
    match unit:
        case TimeUnit.S:
            return b"%d" % seconds
        case TimeUnit.S_DECIMAL:
            return b"%d.%03d" % (seconds, ms)
        case TimeUnit.ISO8601_MS:
            return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ms:03}Z".encode()
        case TimeUnit.FIX_UTC:
            return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%d-%H:%M:%S}.{ms:03}".encode()
        case _:
            return b"%d" % at


def _nonce(take: Take, now: UnixMs, number: int) -> bytes:
    """Growing with `now` and `number`, as some venues demand, in the first form that fits."""
    count = now * 1_000_000 + number
    hexadecimal = f"{count:032x}"
    dashed = f"{hexadecimal[:8]}-{hexadecimal[8:12]}-{hexadecimal[12:16]}-{hexadecimal[16:20]}-{hexadecimal[20:]}"
    for text in (*(f"{count:0{digits}d}"[-digits:] for digits in _NONCE_DIGITS), hexadecimal, dashed):
        if take.form.fullmatch(text.encode()):
            return text.encode()
    raise CannotSign("no nonce that could be made up has the form that its scheme demands")


def _encoded(encoding: Encoding, content: bytes) -> bytes:
    match encoding:
        case Encoding.HEX:
            return content.hex().encode()
        case Encoding.BASE64:
            return base64.b64encode(content)
        case Encoding.BASE64URL:
            return base64.urlsafe_b64encode(content).rstrip(b"=")
        case Encoding.RAW:
            return content


def _as_signed(request: Request, forged: Forged | None) -> Request:
    """What the signature is made over, where that is another request."""
    if forged == "path":
        return structs.replace(request, path=request.path + b"-")
    return structs.replace(request, body=request.body + b"-") if forged == "body" else request


def _put(request: Request, scheme: Scheme, name: str, value: bytes) -> Request:
    """The request with one value more, in the first of its places that the request has."""
    kind = media_type(_facts(request))
    places = {source.kind: source for source in reversed(scheme.places[name])}
    if SourceKind.HEADER in places:
        return _in_field(request, places[SourceKind.HEADER], value)
    if SourceKind.JSON in places and kind == JSON_TYPE:
        return _in_document(request, places[SourceKind.JSON], value)
    escaped = quote_from_bytes(value, safe="").encode()
    if SourceKind.FORM in places and (kind == FORM_TYPE or SourceKind.QUERY not in places):
        named = request if kind else structs.replace(request, fields=(*request.fields, (b"content-type", FORM_TYPE)))
        return structs.replace(named, body=_joined(b"&", request.body, places[SourceKind.FORM].name, escaped))
    if SourceKind.QUERY in places:
        return structs.replace(
            request, query=_joined(b"&", request.query or b"", places[SourceKind.QUERY].name, escaped)
        )
    raise CannotSign(f"the scheme {scheme.name} takes the {name} from a JSON body, and the request has none")


def _in_field(request: Request, place: Source, value: bytes) -> Request:
    there = dict(request.fields).get(place.name)
    others = tuple(field for field in request.fields if field[0] != place.name)
    if not place.lead:
        content = value
    elif place.item:
        rest = b"" if there is None else there.partition(b" ")[2]
        content = place.lead + b" " + _joined(b",", rest, place.item, value)
    else:
        content = place.lead + b" " + value
    return structs.replace(request, fields=(*others, (place.name, content)))


def _in_document(request: Request, place: Source, value: bytes) -> Request:
    document = json.loads(request.body)
    part = document
    for step in place.pointer[:-1]:
        part = part.setdefault(step, {})
    part[place.pointer[-1]] = value.decode()
    return structs.replace(request, body=json.dumps(document, separators=(",", ":")).encode())


def _joined(by: bytes, before: bytes, name: bytes, value: bytes) -> bytes:
    return (before + by if before else b"") + name + b"=" + value


def _facts(request: Request) -> Facts:
    return Facts(
        transport=Transport.HTTP,
        verb=request.method,
        authority=request.authority,
        path=request.path,
        query=request.query,
        fields=request.fields,
        names=field_names(request.fields),
        body=request.body,
        peer=_NO_ADDRESS,
        received_at=UnixMs(0),
        request_id=RequestId(""),
    )
