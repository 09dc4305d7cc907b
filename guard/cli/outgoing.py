"""A request in full before it is sent: what was asked for, how it was signed, and the exact bytes for the wire."""

import os
from base64 import urlsafe_b64encode
from enum import StrEnum

import msgspec
import typer

from guard import __version__
from guard.cli.credentials import Key
from guard.model.keys import KeyAlgorithm
from guard.model.names import UnixMs
from guard.signing.signer import sign, string_to_sign

API_KEY_FIELD = b"Guard-Api-Key"

_ALWAYS_WITH_LENGTH = ("POST", "PUT", "PATCH")
_NONCE_BYTES = 16


class Scheme(StrEnum):
    """How the request says who it is from."""

    GUARD_V1 = "guard-v1"
    API_KEY = "api-key"
    NONE = "none"


class Part(StrEnum):
    """What `--tamper` changes after signing."""

    BODY = "body"
    PATH = "path"
    QUERY = "query"
    SIGNATURE = "signature"
    TIMESTAMP = "timestamp"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the person wants to send. `target` and `body` go out as they are; `fields` are theirs, in their order."""

    method: str
    target: bytes
    body: bytes = b""
    fields: tuple[tuple[bytes, bytes], ...] = ()


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it goes out. `signed` is the string that was signed, None if nothing was."""

    method: str
    target: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes
    signed: bytes | None = None

    @property
    def holds_secret(self) -> bool:
        """Whether the bytes hold the secret itself, so that they must not be kept."""
        return self.field(API_KEY_FIELD.lower()) is not None

    @property
    def content(self) -> bytes:
        """The bytes on the wire (RFC 9112)."""
        lines = [self.method.encode() + b" " + self.target + b" HTTP/1.1"]
        lines += [name + b": " + value for name, value in self.fields]
        return b"\r\n".join([*lines, b"", self.body])

    def field(self, name: bytes) -> bytes | None:
        """The first value of a field, in any case."""
        return next((value for key, value in self.fields if key.lower() == name), None)


def asked_for(method: str, target: str, body: bytes, lines: list[str]) -> Asked:
    """What the arguments ask for. Refuses line breaks: they would end the field and begin another message."""
    fields = tuple(_field(line) for line in lines)
    raw_target = os.fsencode(target)
    if not method.isascii() or not method.isalpha() or any(byte in raw_target for byte in b"\r\n"):
        raise typer.BadParameter("METHOD is letters, and PATH is one line")
    return Asked(method=method, target=raw_target, body=body, fields=fields)


def outgoing(asked: Asked, *, authority: bytes, scheme: Scheme, key: Key | None, now: UnixMs) -> Outgoing:
    """The request with its credentials. A `Host` among the fields takes the place of `authority`, also when signing."""
    theirs = {name.lower() for name, _ in asked.fields}
    authority = next((value for name, value in asked.fields if name.lower() == b"host"), authority)
    plain: list[tuple[bytes, bytes]] = [(b"Host", authority)]
    if b"user-agent" not in theirs:
        plain.append((b"User-Agent", f"guard/{__version__}".encode()))
    if asked.body and b"content-type" not in theirs:
        plain.append((b"Content-Type", b"application/json"))
    if (asked.body or asked.method in _ALWAYS_WITH_LENGTH) and not theirs & {b"content-length", b"transfer-encoding"}:
        plain.append((b"Content-Length", str(len(asked.body)).encode()))
    plain += [(name, value) for name, value in asked.fields if name.lower() != b"host"]
    signed, credentials = _credentials(asked, authority, scheme, key, now)
    return Outgoing(
        method=asked.method, target=asked.target, fields=(*plain, *credentials), body=asked.body, signed=signed
    )


def tampered(request: Outgoing, part: Part) -> Outgoing:
    """The request with exactly one thing changed after signing, its length kept where that is possible."""
    if part is Part.BODY:
        return msgspec.structs.replace(request, body=_altered(request.body, "the body"))
    path, mark, query = request.target.partition(b"?")
    if part is Part.PATH:
        return msgspec.structs.replace(request, target=_altered(path, "the path") + mark + query)
    if part is Part.QUERY:
        changed = _altered(query, "the query") if query else b"tampered=1"
        return msgspec.structs.replace(request, target=path + b"?" + changed)
    if part is Part.SIGNATURE:
        return _with_field(request, b"guard-signature", first=True)
    return _with_field(request, b"guard-timestamp", first=False)


def _credentials(
    asked: Asked, authority: bytes, scheme: Scheme, key: Key | None, now: UnixMs
) -> tuple[bytes | None, tuple[tuple[bytes, bytes], ...]]:
    if scheme is Scheme.NONE or key is None:
        return None, ()
    nonce = urlsafe_b64encode(os.urandom(_NONCE_BYTES)).rstrip(b"=").decode()
    try:
        fields = sign(
            key_id=key.id,
            secret_or_private=key.secret.reveal(),
            algorithm=KeyAlgorithm.API_KEY if scheme is Scheme.API_KEY else key.algorithm,
            method=asked.method,
            authority=authority,
            target=asked.target,
            body=asked.body,
            now=now,
            nonce=nonce,
        )
    except ValueError as fault:
        raise typer.BadParameter(f"key {key.id} cannot sign: {fault}", param_hint="--key-file") from None
    if fields[0][0] == API_KEY_FIELD:
        return None, fields
    signed = string_to_sign(
        key_id=key.id,
        method=asked.method,
        authority=authority,
        target=asked.target,
        content_digest=next((value for name, value in fields if name == b"Content-Digest"), b""),
        now=now,
        nonce=nonce,
    )
    return signed, fields


def _field(line: str) -> tuple[bytes, bytes]:
    name, colon, value = os.fsencode(line).partition(b":")
    if not colon or not name.strip() or any(byte in name + value for byte in b"\r\n"):
        raise typer.BadParameter(f"{line!r} is not a field such as 'Accept: application/json'", param_hint="-H")
    return name, value.strip(b" \t")


def _altered(content: bytes, what: str) -> bytes:
    """Its last letter or digit becomes another one."""
    for index in range(len(content) - 1, -1, -1):
        if content[index : index + 1].isalnum():
            return content[:index] + (b"1" if content[index : index + 1] == b"0" else b"0") + content[index + 1 :]
    raise typer.BadParameter(f"{what} has no letter or digit to change", param_hint="--tamper")


def _with_field(request: Outgoing, name: bytes, *, first: bool) -> Outgoing:
    """Its value changed in the first character (of base64, whose last ones may be padding) or else in the last."""
    if request.field(name) is None:
        raise typer.BadParameter(f"nothing to tamper with: the request has no {name.decode()}", param_hint="--tamper")
    fields = tuple(
        (key, _turned(value, first=first) if key.lower() == name else value) for key, value in request.fields
    )
    return msgspec.structs.replace(request, fields=fields)


def _turned(value: bytes, *, first: bool) -> bytes:
    index = 0 if first else len(value) - 1
    return value[:index] + (b"1" if value[index : index + 1] == b"0" else b"0") + value[index + 1 :]
