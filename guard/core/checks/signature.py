"""Who is it? The signature covers enough of the message, and verifies under the key that the message names."""

from guard.core.evidence import Hearing
from guard.core.stages import Identified, Screened
from guard.model.claims import Claim, ClaimFault
from guard.model.decision import Deny
from guard.model.facts import BodyBroken, Facts
from guard.model.rules import Rule
from guard.signing import coverage, verifying


def signature_covers_enough(screened: Screened) -> Deny | None:
    """No part of the message is left to whoever saw its signature: what is not signed is not there."""
    identified = screened.identified
    return (
        None
        if identified.scheme is None
        else _uncovered(identified, coverage.uncovered(identified.scheme, identified.facts))
    )


def signature_verifies_at_head(screened: Screened) -> Deny | None:
    """Where the signature does not need the body, it verifies before a byte of the body is read."""
    scheme, claim = screened.identified.scheme, screened.identified.claim
    if scheme is None or claim is None or _needs_body(screened):
        return None
    return _unverified(screened, screened.identified.facts, claim)


def body_is_complete(hearing: Hearing) -> Deny | None:
    """The body came whole and in time. Only an open route may do without."""
    identified = hearing.signed.screened.identified
    if isinstance(hearing.body, BodyBroken):
        return Deny(code=hearing.body.code, rule=identified.route.rule)
    if hearing.body is None and identified.scheme is not None:
        return Deny(code="request.incomplete", rule=identified.route.rule)
    return None


def signature_still_covers_enough(hearing: Hearing) -> Deny | None:
    """Nothing that the body brought is left unsigned either."""
    identified = hearing.signed.screened.identified
    if identified.scheme is None or hearing.facts is identified.facts:
        return None
    return _uncovered(identified, coverage.uncovered_in_body(identified.scheme, hearing.facts))


def signature_verifies(hearing: Hearing) -> Deny | None:
    """What was not proved at the head is proved now, with the body."""
    if hearing.signed.proved or hearing.signed.screened.identified.scheme is None:
        return None
    if not isinstance(hearing.claim, Claim):
        return Deny(code="auth.malformed", rule=_auth_rule(hearing.signed.screened.identified))
    return _unverified(hearing.signed.screened, hearing.facts, hearing.claim)


def body_digest_matches(hearing: Hearing) -> Deny | None:
    """Where the signature covers a digest, it is the digest of the body that came."""
    identified = hearing.signed.screened.identified
    if identified.scheme is None or verifying.body_matches(identified.scheme, hearing.facts):
        return None
    return Deny(code="auth.bad_digest", rule=_auth_rule(identified))


def _needs_body(screened: Screened) -> bool:
    identified = screened.identified
    return identified.scheme is not None and identified.scheme.needs_body and identified.facts.body is None


def _uncovered(identified: Identified, fault: ClaimFault | None) -> Deny | None:
    if fault is None:
        return None
    return Deny(code=fault.code, rule=_auth_rule(identified), detail=fault.detail)


def _auth_rule(identified: Identified) -> Rule | None:
    return None if identified.auth is None else identified.auth.rule


def _unverified(screened: Screened, facts: Facts, claim: Claim) -> Deny | None:
    """The decoy is tried like a real key, so that neither the answer nor its cost tells whether the key exists."""
    scheme, auth, record = screened.identified.scheme, screened.identified.auth, screened.record
    if scheme is None or auth is None or record is None:
        return Deny(code="auth.bad_signature", rule=_auth_rule(screened.identified))
    verified = verifying.signature_verifies(scheme, facts, claim, record)
    if screened.unfit is not None:
        return Deny(code=screened.unfit, rule=auth.rule)
    return None if verified else Deny(code="auth.bad_signature", rule=auth.rule)
