"""Does the message say, once and in the right form, which key signed it?"""

from guard.core.evidence import Draft, Hearing
from guard.model.claims import ClaimFault
from guard.model.decision import Deny


def credentials_are_present(draft: Draft) -> Deny | None:
    """A route that is not open gets exactly one set of credentials, of a scheme that it accepts, well-formed."""
    if draft.auth is None:
        return None
    if draft.claim is None:
        return Deny(code="auth.missing", rule=draft.auth.rule, detail=_accepted(draft.auth.schemes))
    if draft.rivals:
        return Deny(code="request.malformed", rule=draft.auth.rule, detail="credentials of more than one scheme")
    if isinstance(draft.claim, ClaimFault):
        return Deny(code=draft.claim.code, rule=draft.auth.rule, detail=draft.claim.detail)
    return None


def claim_is_complete(hearing: Hearing) -> Deny | None:
    """What the head left open (a signature in a form body) is in the body, once and in the right form."""
    auth, scheme = hearing.signed.screened.identified.auth, hearing.signed.screened.identified.scheme
    if auth is None or scheme is None:  # with auth, but in shadow: that it claims nothing was said before
        return None
    if isinstance(hearing.claim, ClaimFault):
        return Deny(code=hearing.claim.code, rule=auth.rule, detail=hearing.claim.detail)
    if hearing.claim is None or hearing.claim.late:
        return Deny(code="auth.malformed", rule=auth.rule)
    return None


def _accepted(schemes: tuple[str, ...]) -> str:
    return "sign the request with " + " or ".join(schemes)
