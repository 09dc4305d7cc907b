"""How a message is told from every other, so that the store lets it through once."""

import hashlib
from functools import lru_cache
from typing import Final

from guard.core.stages import Identified, Verified
from guard.model.claims import Claim
from guard.model.facts import Facts
from guard.model.keys import KeyRecord
from guard.model.names import UnixMs
from guard.model.questions import Identity, Once
from guard.signing.verifying import replay_identity

_SHORT_BYTES: Final = 256
"""A path of a length that is worth remembering what it digests to."""


def once_of(verified: Verified) -> Once | None:
    """What the store is to remember of it. None where nobody has proved to have signed it at some time."""
    identified, claim = verified.identified, verified.claim
    scheme, window, facts = identified.scheme, identified.window, identified.facts
    identity = identity_of(verified)
    if scheme is None or identity is None or window is None or claim is None or claim.signed_at is None:
        return None
    return Once(
        identity=identity,
        binding=_binding(facts.verb, facts.path) if len(facts.path) <= _SHORT_BYTES else _bound(facts.verb, facts.path),
        repeatable=identified.route.reads and not scheme.has_nonce,
        burns=not identified.route.reads,
        signed_at=claim.signed_at,
        future_ms=window.future_ms,
        forget_after=UnixMs(claim.signed_at + identified.remember_ms),
    )


def identity_of(verified: Verified) -> Identity | None:
    """What makes it the same message as another of its key, however it is written; None as above."""
    identified, claim = verified.identified, verified.claim
    facts = identified.facts
    if claim is not None and claim.nonce is None and verified.content is not None and facts.body is None:
        facts = facts.with_body(verified.content)
    return identity(identified, facts, claim, verified.record)


def identity(identified: Identified, facts: Facts, claim: Claim | None, record: KeyRecord | None) -> Identity | None:
    """The same of a message that was proved to be this key's; `facts` has the body where the signature covers it."""
    scheme = identified.scheme
    if scheme is None or claim is None or record is None or claim.signed_at is None:
        return None
    return record.id, scheme.name, replay_identity(scheme, facts, claim)


def _bound(verb: str, path: bytes) -> bytes:
    return hashlib.blake2b(verb.encode() + b"\n" + path, digest_size=16).digest()


_binding = lru_cache(maxsize=4096)(_bound)
