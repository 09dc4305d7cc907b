"""Is the key there, and may it do this, here and now?"""

from typing import Final

from msgspec import structs

from guard.core.evidence import Admission, Hearing, Screening
from guard.core.stages import Identified
from guard.model.decision import Deny
from guard.model.keys import KeyRecord, KeyState
from guard.model.names import UnixMs
from guard.model.questions import Revoked, Unavailable
from guard.model.rules import Rule
from guard.wire.client_address import in_networks

HONEYTOKEN: Final = "auth.honeytoken"
"""The code of the reason why a honeytoken is refused: what the alarm listens for."""

_CODE_BY_STATE = {
    KeyState.PRE_ACTIVATION: "auth.inactive_key",
    KeyState.SUSPENDED: "auth.suspended_key",
    KeyState.DEACTIVATED: "auth.revoked_key",
    KeyState.COMPROMISED: "auth.compromised_key",
    KeyState.DESTROYED: "auth.compromised_key",
}


def key_record_is_at_hand(screening: Screening) -> Deny | None:
    """The key store answered. That nobody holds the key is no reason to stop here: a decoy takes its place."""
    if isinstance(screening.record, Unavailable):
        return Deny(code="store.unavailable", wait_ms=1000)
    return None


def key_state_permits_use(hearing: Hearing) -> Deny | None:
    """Only an active key authenticates, and only before the millisecond at which it expires or its overlap ends."""
    record = hearing.signed.screened.record
    return None if record is None else key_fault(record, _auth_rule(hearing.signed.screened.identified), hearing.now)


def key_state_still_permits_use(admission: Admission) -> Deny | None:
    """The same, with the record as it is now: it may have been revoked while the body dribbled in."""
    if admission.verified.record is None:
        return None
    if not isinstance(admission.record, KeyRecord):
        return Deny(code="store.unavailable", wait_ms=1000)
    return key_fault(admission.record, _auth_rule(admission.verified.identified), admission.now)


def key_is_not_buried(admission: Admission) -> Deny | None:
    """The store knows of no revocation that has not come to this process yet."""
    if isinstance(admission.receipt, Revoked):
        return Deny(code="auth.revoked_key", rule=_auth_rule(admission.verified.identified))
    return None


def key_is_no_honeytoken(hearing: Hearing) -> Deny | None:
    """Nobody uses a key that was laid out as bait: it is refused as if it did not exist, whatever the policy."""
    record = hearing.signed.screened.record
    if record is None or record.bounds is None or not record.bounds.honeytoken:
        return None
    return Deny(code=HONEYTOKEN)


def network_is_allowed(hearing: Hearing) -> Deny | None:
    """A key that is bound to networks is used from one of them."""
    record, identified = hearing.signed.screened.record, hearing.signed.screened.identified
    if record is None or not record.networks or in_networks(identified.address, record.networks):
        return None
    return Deny(code="authz.ip", rule=_auth_rule(identified))


def scope_covers_route(hearing: Hearing) -> Deny | None:
    """The key has the scope that the route needs."""
    record, route = hearing.signed.screened.record, hearing.signed.screened.identified.route
    if record is None or route.scope is None or route.scope in record.scopes:
        return None
    rule = route.rule if route.auth is None else structs.replace(route.rule, mode=route.auth.rule.mode)
    return Deny(code="authz.scope", rule=rule, detail=f'this route needs the scope "{route.scope}"')


def key_fault(record: KeyRecord, rule: Rule | None, now: UnixMs) -> Deny | None:
    """Why the key may not be used at `now`, or None."""
    if record.state is not KeyState.ACTIVE:
        return Deny(code=_CODE_BY_STATE[record.state], rule=rule)
    if record.dies_at is not None and now >= record.dies_at:
        return Deny(code="auth.revoked_key", rule=rule, detail="its overlap after a rotation has ended")
    if record.expires_at is not None and now >= record.expires_at:
        return Deny(code="auth.expired_key", rule=rule)
    return None


def _auth_rule(identified: Identified) -> Rule | None:
    return None if identified.auth is None else identified.auth.rule
