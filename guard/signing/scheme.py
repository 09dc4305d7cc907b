"""A signature scheme, compiled: where its credentials stand in a message, which bytes it signs, what it leaves free.

A Scheme is made by `profile.compile_profile` from data and is never changed. It holds no key and decides nothing.
"""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

import msgspec

from guard.model.facts import Facts, Transport
from guard.model.keys import KeyAlgorithm
from guard.model.policy import Window
from guard.wire.documents import Pointer

Values: TypeAlias = Mapping[str, bytes]
"""The values that a scheme took from a message, by the scheme's own name for each."""

BaseBuilder: TypeAlias = Callable[[Facts, Values], bytes]
"""A compiled template. Raises `functions.BaseFault` if the message lacks what the template names."""

Pipe: TypeAlias = Callable[[bytes], bytes | None]
"""Picks a part out of a field's value; None if the part is not there."""


class SourceKind(StrEnum):
    """The first word of a source."""

    HEADER = "header"
    QUERY = "query"
    FORM = "form"
    JSON = "json"
    WS = "ws"
    FIX = "fix"


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One place. `name` is the field (lower case), parameter or tag; `pointer` the place in a document.

    `bearer` says that the value is a secret by itself. Who writes the field begins it with the word `lead`, and the
    value with `item=`, where there is one.
    """

    kind: SourceKind
    name: bytes = b""
    pointer: Pointer = ()
    pipe: Pipe | None = None
    bearer: bool = False
    lead: bytes = b""
    item: bytes = b""

    @property
    def in_body(self) -> bool:
        """Whether it is a part of an HTTP body."""
        return self.kind in (SourceKind.FORM, SourceKind.JSON)


class Guarantee(StrEnum):
    """What a verified message of the scheme is worth against replay (ARCHITECTURE.md section 3, rule 9).

    exact: a signed nonce makes each message unique. window: only its time is signed, so that two honest messages may be
    byte-identical. none: whoever saw it once can send it for ever.
    """

    EXACT = "exact"
    WINDOW = "window"
    NONE = "none"


class SignatureAlgorithm(StrEnum):
    """How a signature base is signed. Which one counts follows from the kind of key, never from the message."""

    HMAC_SHA256 = "hmac-sha256"
    HMAC_SHA384 = "hmac-sha384"
    HMAC_SHA512 = "hmac-sha512"
    ED25519 = "ed25519"
    RSA_PKCS1V15_SHA256 = "rsa-pkcs1v15-sha256"
    ECDSA_P256_SHA256 = "ecdsa-p256-sha256"
    API_KEY = "api-key"

    __hash__ = str.__hash__  # that of Enum is a Python call; these are looked up for each message


class Encoding(StrEnum):
    """How the signature's bytes are written in the message. raw: as they are."""

    HEX = "hex"
    BASE64 = "base64"
    BASE64URL = "base64url"
    RAW = "raw"

    __hash__ = str.__hash__  # that of Enum is a Python call; these are looked up for each message


class SecretFormat(StrEnum):
    """How a shared secret's text becomes the HMAC key."""

    UTF8 = "utf8"
    BASE64 = "base64"


class TimeUnit(StrEnum):
    """How a timestamp is written. All become UnixMs, rounded down."""

    MS = "ms"
    MS_OR_US = "ms_or_us"
    S = "s"
    S_DECIMAL = "s_decimal"
    S_OR_MS = "s_or_ms"
    ISO8601_MS = "iso8601_ms"
    FIX_UTC = "fix_utc"

    __hash__ = str.__hash__  # that of Enum is a Python call; these are looked up for each message


class SignatureForm(msgspec.Struct, frozen=True, gc=False):
    """What a key of one kind does in this scheme: which algorithm, and how the signature and the secret are written."""

    algorithm: SignatureAlgorithm
    encoding: Encoding
    secret: SecretFormat = SecretFormat.UTF8


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """Which parts a message may not have. True means refused; the defaults refuse nothing.

    `query_rfc3986` demands the characters of RFC 3986 section 3.4; `query_names` is the form of a parameter's name, in
    the query and in a form body.
    """

    query: bool = False
    body: bool = False
    get_body: bool = False
    post_query: bool = False
    query_and_body: bool = False
    duplicate_params: bool = False
    query_encoded_delims: bool = False
    query_rfc3986: bool = False
    query_names: re.Pattern[bytes] | None = None


class Take(msgspec.Struct, frozen=True, kw_only=True):
    """One value that the scheme takes from a message: its name, its strict form, and whether it may be absent.

    `percent`: it is percent-decoded once, before its form is judged. `in_form`, `in_json`: it may stand in a body of
    that kind.
    """

    name: str
    form: re.Pattern[bytes]
    required: bool
    percent: bool = False
    in_form: bool = False
    in_json: bool = False


class Sources(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Where values stand: by field (HTTP field or FIX tag), by parameter of the query or of a form, by JSON pointer.

    `plain` are the fields of which the whole value is taken. Compared by identity.
    """

    plain: frozenset[bytes] = frozenset()
    fields: Mapping[bytes, tuple[tuple[str, Pipe | None], ...]] = MappingProxyType({})
    query: Mapping[bytes, str] = MappingProxyType({})
    form: Mapping[bytes, str] = MappingProxyType({})
    json: tuple[tuple[Pointer, str], ...] = ()


class Scheme(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is needed to read and verify the credentials of one dialect.

    `credential_fields` are the fields (lower case) that carry any of its values; `secret_fields` those of them that are
    secrets by themselves and must never be forwarded. `needs_body`: the signature cannot verify at the head.
    `claims_in_body`: a part of the claim may stand in an HTTP body, so that a claim made without the body must be made
    again with it. `has_nonce`: every claim has one. `unbound` is what the
    signature base leaves free, computed and not just declared: `method`, `path`, `query`, `body`, `authority`, or the
    name of a taken value.
    """

    name: str
    transport: Transport
    guarantee: Guarantee
    algorithms: frozenset[KeyAlgorithm]
    credential_fields: frozenset[bytes]
    secret_fields: frozenset[bytes]
    window_default: Window
    window_past_ms_max: int
    has_time: bool
    has_nonce: bool
    needs_body: bool
    claims_in_body: bool
    unbound: frozenset[str]

    # Below: the compiled profile, read only inside this room. `places` are those of each value, for who writes one;
    # `marks` are the sources of key and signature.
    takes: tuple[Take, ...]
    places: Mapping[str, tuple[Source, ...]]
    sources: Sources
    marks: Sources
    forms: Mapping[KeyAlgorithm, SignatureForm]
    shape: Shape
    time_unit: TimeUnit | None
    build_base: BaseBuilder
    has_content_digest: bool
