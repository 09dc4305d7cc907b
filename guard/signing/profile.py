"""A signature profile, as data → a Scheme. Here a profile that does not make sense, or admits too little, is refused.

The loader of policies reads the files and turns a fault's path into file, line and column. What a profile may hold is
`profile_schema`; the words of sources, templates and formats are `sources`, `template` and `formats`.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from guard.model.keys import KeyAlgorithm
from guard.model.policy import Window
from guard.signing.binding import names_in, query_touches_body, unbound_parts
from guard.signing.formats import FormatFault, compile_format
from guard.signing.profile_schema import AlgorithmEntry, ProfileEntry, ProfileFault, ShapeEntry, read_profile
from guard.signing.rendering import MESSAGE_PARTS, render
from guard.signing.scheme import (
    Encoding,
    Guarantee,
    Scheme,
    SecretFormat,
    Shape,
    SignatureAlgorithm,
    SignatureForm,
    Source,
    SourceKind,
    Take,
)
from guard.signing.sources import SourceFault, gather, parse_source
from guard.signing.template import Node, TemplateFault, parse_template
from guard.signing.tokens import KEY_ID

__all__ = ["ProfileFault", "compile_profile"]

Named = Mapping[str, tuple[Source, ...]]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_MARKS = ("key", "signature", "credential")
_TIMED = ("timestamp", "expires", "window")
_DEFAULT_FORMATS = {
    "key": KEY_ID.pattern,
    "signature": "[!-~]{1,1400}",
    "credential": "[!-~]{3,700}",
    "window": r"[1-9][0-9]{0,6}(\.[0-9]{1,3})?",
    "content_digest": "sha-256=:[A-Za-z0-9+/]{43}=:",
}
_ANY_FORMAT = "[ -~]{1,256}"
_HMACS = (SignatureAlgorithm.HMAC_SHA256, SignatureAlgorithm.HMAC_SHA384, SignatureAlgorithm.HMAC_SHA512)
_SIGNATURES: Mapping[KeyAlgorithm, tuple[SignatureAlgorithm, ...]] = MappingProxyType(
    {
        KeyAlgorithm.HMAC_SHA256: _HMACS[:1],
        KeyAlgorithm.HMAC_SHA512: (_HMACS[2], _HMACS[1]),
        KeyAlgorithm.ED25519: (SignatureAlgorithm.ED25519,),
        KeyAlgorithm.RSA: (SignatureAlgorithm.RSA_PKCS1V15_SHA256,),
        KeyAlgorithm.ECDSA_P256: (SignatureAlgorithm.ECDSA_P256_SHA256,),
        KeyAlgorithm.API_KEY: (SignatureAlgorithm.API_KEY,),
    }
)
"""What each kind of key can sign with; the first is meant if the profile does not say."""


def compile_profile(name: str, profile: Mapping[str, object], parents: Mapping[str, Mapping[str, object]]) -> Scheme:
    """The scheme that the profile describes, `parents` being the profiles that it may extend. Raises ProfileFault.

    A profile must list under `unbound` exactly what its base leaves free, and may not promise more than it signs.
    """
    entry = read_profile(profile, parents)
    named = _sources(entry)
    takes = _takes(entry, named)
    nodes = _base(entry, named)
    shape = _shape(entry.shape)
    if query_touches_body(nodes) and not (shape.query_and_body or (shape.get_body and shape.post_query)):
        raise ProfileFault(
            ("shape",), "the base joins query and body with nothing between: `query_and_body: refuse` must be said"
        )
    unbound = unbound_parts(nodes, named, entry.transport, decoding_binds=shape.query_encoded_delims)
    _refuse_false_admission(entry, unbound)
    _refuse_false_promise(entry, unbound)
    in_body = any(place.in_body for places in named.values() for place in places)
    time = entry.time
    return Scheme(
        name=name,
        transport=entry.transport,
        guarantee=entry.guarantee,
        algorithms=frozenset(entry.algorithms),
        credential_fields=_field_names(named, secret=False),
        secret_fields=_field_names(named, secret=True),
        window_default=Window(time.past_ms, time.future_ms) if time else Window(0, 0),
        window_past_ms_max=time.past_ms_max if time else 0,
        has_time=time is not None,
        has_nonce="nonce" in named and "nonce" not in entry.optional,
        needs_body="body" in names_in(nodes) or in_body,
        claims_in_body=in_body,
        unbound=unbound,
        takes=takes,
        places=MappingProxyType(dict(named)),
        sources=gather(named),
        marks=gather({mark: named[mark] for mark in _MARKS if mark in named}),
        forms=MappingProxyType({kind: _form(kind, algorithm) for kind, algorithm in entry.algorithms.items()}),
        shape=shape,
        time_unit=time.unit if time else None,
        build_base=render(nodes),
        has_content_digest="content_digest" in named,
    )


def _sources(entry: ProfileEntry) -> Named:
    named: dict[str, tuple[Source, ...]] = {}
    for name, texts in entry.take.items():
        if not _NAME.fullmatch(name) or name in MESSAGE_PARTS:
            raise ProfileFault(("take", name), f"{name!r} cannot be the name of a value")
        if name == "passphrase":
            raise ProfileFault(("take", name), "passphrases are not known yet")
        if not texts:
            raise ProfileFault(("take", name), "no source is named")
        named[name] = tuple(_source(entry, name, index, text) for index, text in enumerate(texts))
    _refuse_bad_set(entry, named)
    return named


def _source(entry: ProfileEntry, name: str, index: int, text: str) -> Source:
    try:
        source = parse_source(text, entry.transport)
    except SourceFault as fault:
        raise ProfileFault(("take", name, index), str(fault)) from fault
    if name in ("key", "credential") and source.in_body:
        raise ProfileFault(("take", name, index), "whose key it is must be known before a body is read")
    if name == "content_digest" and source.name != b"content-digest":
        raise ProfileFault(("take", name, index), "a content digest is taken from header:Content-Digest")
    return source


def _refuse_bad_set(entry: ProfileEntry, named: Named) -> None:
    """Which values a scheme must have, and which go together."""
    bare = "credential" in named
    if not entry.algorithms:
        raise ProfileFault(("algorithms",), "no kind of key is accepted")
    if bare and (set(named) != {"credential"} or set(entry.algorithms) != {KeyAlgorithm.API_KEY}):
        raise ProfileFault(("take",), "a bare credential stands alone, and only api-key keys have one")
    if not bare and KeyAlgorithm.API_KEY in entry.algorithms:
        raise ProfileFault(("algorithms", "api-key"), "api-key keys need `take: {credential: …}`")
    missing = [] if bare else [name for name in ("key", "signature") if name not in named]
    if missing:
        raise ProfileFault(("take",), f"nothing says where the {missing[0]} stands")
    if "timestamp" not in named and any(name in named for name in _TIMED):
        raise ProfileFault(("take",), "a deadline or a window needs a timestamp")
    if ("timestamp" in named) != (entry.time is not None):
        raise ProfileFault(("time",), "`take: timestamp` and `time` need each other")
    places = [
        (source.kind, source.name, source.pointer)
        for sources in named.values()
        for source in sources
        if source.pipe is None
    ]
    if len(set(places)) < len(places):
        raise ProfileFault(("take",), "two values are taken from one place")


def _takes(entry: ProfileEntry, named: Named) -> tuple[Take, ...]:
    for index, name in enumerate(entry.optional):
        if name not in named or name in (*_MARKS, "timestamp"):
            raise ProfileFault(("optional", index), f"{name!r} is not a value that may be absent")
    for section, names in (("formats", entry.formats), ("decode", entry.decode)):
        for name in names:
            if name not in named:
                raise ProfileFault((section, name), f"{name!r} is not taken")
    if "nonce" in named and "nonce" not in entry.formats:
        raise ProfileFault(("formats",), "a nonce needs a form, which also says how long it may be")
    return tuple(
        Take(
            name=name,
            form=_format(("formats", name), entry.formats.get(name) or _DEFAULT_FORMATS.get(name, _ANY_FORMAT)),
            required=name not in entry.optional,
            percent=name in entry.decode,
            in_form=any(source.kind is SourceKind.FORM for source in sources),
            in_json=any(source.kind is SourceKind.JSON for source in sources),
        )
        for name, sources in named.items()
    )


def _format(path: tuple[str, ...], expression: str) -> re.Pattern[bytes]:
    try:
        return compile_format(expression)
    except FormatFault as fault:
        raise ProfileFault(path, str(fault)) from fault


def _base(entry: ProfileEntry, named: Named) -> tuple[Node, ...]:
    """No base: nothing is signed, which only a bare secret may."""
    if (entry.base is None) != ("credential" in named):
        raise ProfileFault(("base",), "a signature needs a base, and a bare credential has none")
    try:
        return parse_template(entry.base or "", frozenset(MESSAGE_PARTS) | frozenset(named) - {"signature"})
    except TemplateFault as fault:
        raise ProfileFault(("base",), str(fault)) from fault


def _shape(entry: ShapeEntry) -> Shape:
    names = entry.query_names
    return Shape(
        query=entry.query == "refuse",
        body=entry.body == "refuse",
        get_body=entry.get_body == "refuse",
        post_query=entry.post_query == "refuse",
        query_and_body=entry.query_and_body == "refuse",
        duplicate_params=entry.duplicate_params == "refuse",
        query_encoded_delims=entry.query_encoded_delims == "refuse",
        query_rfc3986=entry.query_charset == "rfc3986",
        query_names=None if names is None else _format(("shape", "query_names"), names),
    )


def _form(kind: KeyAlgorithm, entry: AlgorithmEntry) -> SignatureForm:
    path = ("algorithms", str(kind))
    algorithm = entry.signature or _SIGNATURES[kind][0]
    if algorithm not in _SIGNATURES[kind]:
        raise ProfileFault((*path, "signature"), f"{kind} keys do not sign with {algorithm}")
    if (kind is KeyAlgorithm.API_KEY) != (entry.encoding is Encoding.RAW):
        raise ProfileFault((*path, "encoding"), "`raw` is the encoding of bare secrets, and of nothing else")
    if entry.secret is not SecretFormat.UTF8 and algorithm not in _HMACS:
        raise ProfileFault((*path, "secret"), "only the secret of an HMAC has a format")
    return SignatureForm(algorithm, entry.encoding, entry.secret)


def _refuse_false_admission(entry: ProfileEntry, unbound: frozenset[str]) -> None:
    """A profile must say in writing what it does not sign: no more and no less (BYPASSES.md A26)."""
    declared = frozenset(entry.unbound)
    if declared != unbound:
        real = f"[{', '.join(sorted(unbound))}]"
        raise ProfileFault(("unbound",), f"the base leaves exactly {real} unsigned, and the profile must say so")


def _refuse_false_promise(entry: ProfileEntry, unbound: frozenset[str]) -> None:
    time = entry.time
    if time and not (0 < time.past_ms <= time.past_ms_max and time.future_ms >= 0):
        raise ProfileFault(("time",), "the window must be positive and not wider than past_ms_max")
    timed = time is not None and "timestamp" not in unbound
    unique = "nonce" in entry.take and "nonce" not in unbound and "nonce" not in entry.optional
    if entry.guarantee is Guarantee.EXACT and not unique:
        raise ProfileFault(("guarantee",), "`exact` needs a required nonce that is signed")
    if entry.guarantee is Guarantee.WINDOW and not timed:
        raise ProfileFault(("guarantee",), "`window` needs a timestamp that is signed")


def _field_names(named: Named, *, secret: bool) -> frozenset[bytes]:
    kinds = (SourceKind.HEADER, SourceKind.FIX)
    return frozenset(
        source.name
        for name, sources in named.items()
        for source in sources
        if source.kind in kinds and (not secret or source.bearer or name == "credential")
    )
