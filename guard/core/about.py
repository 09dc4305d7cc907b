"""Whose message was denied, for the log and for what is counted: as it claims, or as was proved."""

from msgspec import structs

from guard.core.evidence import Hearing
from guard.core.once import identity
from guard.model.claims import Claim, ClaimFault
from guard.model.decision import About, Deny


def about_claim(deny: Deny, claim: Claim | ClaimFault | None) -> Deny:
    """The same No of a message that nobody was proved to have sent."""
    return structs.replace(deny, about=About(claim.key_id, claim.scheme)) if isinstance(claim, Claim) else deny


def about_holder(deny: Deny, hearing: Hearing) -> Deny:
    """The same of a message that was proved to be its key's; it is told from others only where somebody counts."""
    claim, identified, record = hearing.claim, hearing.signed.screened.identified, hearing.signed.screened.record
    if not isinstance(claim, Claim):
        return deny
    account = None if record is None else record.account
    message = None if identified.service.abuse is None else identity(identified, hearing.facts, claim, record)
    return structs.replace(deny, about=About(claim.key_id, claim.scheme, account, message))
