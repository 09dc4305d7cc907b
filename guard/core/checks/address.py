"""May this address ask at all? Nothing here looks at a key: an address is refused before its claim is read."""

from guard.core.checks.limits import short_limit
from guard.core.evidence import Admission, Entry
from guard.model.decision import Deny
from guard.model.questions import Granted, Receipt, Short
from guard.wire.client_address import in_networks


def address_is_permitted(entry: Entry) -> Deny | None:
    """The policy's `deny` does not name the address, and its `allow`, if there is one, does."""
    address, policy = entry.routed.address, entry.routed.service.client_ip
    if (policy.deny and in_networks(address, policy.deny)) or (policy.allow and not in_networks(address, policy.allow)):
        return Deny(code="abuse.address_denied", rule=policy.rule)
    return None


def address_may_use_route(entry: Entry) -> Deny | None:
    """The route may be used from everywhere, or from the address's network."""
    networks = entry.routed.route.networks
    if networks is None or in_networks(entry.routed.address, networks.allow):
        return None
    return Deny(code="abuse.address_denied", rule=networks.rule, detail="this route is not for your network")


def address_has_room(entry: Entry) -> Deny | None:
    """Every limit that counts addresses had room, as far as that is known. They are charged whatever follows."""
    return _room(entry.room)


def address_had_room(admission: Admission) -> Deny | None:
    """The same, where it was not known before."""
    return _room(admission.room)


def _room(room: Receipt | None) -> Deny | None:
    if room is None:
        return None
    if isinstance(room, (Granted, Short)):
        return short_limit(room.readings)
    return Deny(code="store.unavailable", wait_ms=1000)
