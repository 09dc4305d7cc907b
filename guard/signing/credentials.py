"""The credentials of a message, read into a Claim: strictly, once, unbelieved. Whether they are good is asked later."""

from types import MappingProxyType

from guard.model.claims import Claim, ClaimFault
from guard.model.facts import Facts
from guard.model.names import KeyId
from guard.signing.encodings import percent_decode
from guard.signing.parameters import FORM_TYPE, JSON_TYPE, media_type
from guard.signing.scheme import Scheme, Take
from guard.signing.sources import any_at_head, read
from guard.signing.times import parse_time, parse_window_ms
from guard.signing.tokens import split_credential

_MALFORMED = "auth.malformed"


def carries(scheme: Scheme, facts: Facts) -> bool:
    """Whether the message's head carries a key or a signature of this scheme, well-formed or not."""
    return any_at_head(scheme.marks, facts)


def make_claim(scheme: Scheme, facts: Facts) -> Claim | ClaimFault:
    """The claim, or why there is none: `request.malformed` (a credential twice), `request.bad_body`, `auth.malformed`.

    Details name a part of the scheme, never what was received. Without the body, a claim whose required parts may still
    come in it is `late`; and for a scheme that `needs_body` every claim must be made again once the body is there.
    """
    found = read(scheme.sources, facts)
    if isinstance(found, ClaimFault):
        return found
    late = False
    for take in scheme.takes:
        value = found.get(take.name)
        if value is None:
            if take.required and not _may_come(take, facts):
                return ClaimFault(_MALFORMED, f"The {take.name} is missing.")
            late = late or take.required
            continue
        if take.percent:
            value = percent_decode(value)
        if value is None or take.form.fullmatch(value) is None:
            return _ill_formed(take.name)
        found[take.name] = value
    if "credential" in found:
        return _bare_secret(scheme, found["credential"])
    if late:
        return Claim(scheme=scheme.name, key_id=KeyId(found["key"].decode()), signature=b"", late=True)
    return _whole(scheme, found)


def _may_come(take: Take, facts: Facts) -> bool:
    if facts.body is not None:
        return False
    kind = media_type(facts)
    return (take.in_form and kind == FORM_TYPE) or (take.in_json and kind == JSON_TYPE)


def _whole(scheme: Scheme, found: dict[str, bytes]) -> Claim | ClaimFault:
    signed_at = expires_at = window_ms = None
    unit = scheme.time_unit
    if unit is not None:
        signed_at = parse_time(unit, found["timestamp"])
        if signed_at is None:
            return _ill_formed("timestamp")
        if "expires" in found:
            expires_at = parse_time(unit, found["expires"])
            if expires_at is None:
                return _ill_formed("expires")
        if "window" in found:
            window_ms = parse_window_ms(found["window"])
            if window_ms is None:
                return _ill_formed("window")
    return Claim(
        scheme=scheme.name,
        key_id=KeyId(found["key"].decode()),
        signature=found["signature"],
        signed_at=signed_at,
        expires_at=expires_at,
        window_ms=window_ms,
        nonce=found.get("nonce"),
        values=MappingProxyType(found),
    )


def _bare_secret(scheme: Scheme, credential: bytes) -> Claim | ClaimFault:
    """A bare secret stays out of `values`: it is the signature."""
    parts = split_credential(credential)
    if parts is None:
        return _ill_formed("credential")
    return Claim(scheme=scheme.name, key_id=KeyId(parts[0]), signature=parts[1])


def _ill_formed(name: str) -> ClaimFault:
    return ClaimFault(_MALFORMED, f"The {name} does not have the form that its scheme demands.")
