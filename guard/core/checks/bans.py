"""Is it banned, or held back in a milder way? Asked of the address before anything of the claim is read, and of the key
once it is proved to be theirs.

A ban of an address lets in only the keys that were verified from there lately, and these only once they are proved
again: whoever shares an address with an attacker keeps their way in (ARCHITECTURE.md section 3, rule 10).
"""

from typing import Final

from guard.core.evidence import Departure, Entry, Hearing, Screening
from guard.core.standing import holder_standing, is_meant, rule_of
from guard.model.abuse import Action
from guard.model.bans import NO_BANS, Ban
from guard.model.decision import Deny
from guard.model.names import UnixMs
from guard.model.policy import Route, Service

_CODES: Final = {
    Action.SLOW: "abuse.slow",
    Action.THROTTLE: "abuse.throttle",
    Action.QUARANTINE: "abuse.quarantine",
    Action.BAN: "abuse.ban",
}
_AGAIN_MS: Final = 1000


def address_is_not_banned(entry: Entry) -> Deny | None:
    """Nothing against the address stops such a message; a ban that has guests waits for the claim to say who it is."""
    if not entry.standing:
        return None
    routed = entry.routed
    standing = tuple([ban for ban in entry.standing if not ban.guests])
    return _worst(standing, routed.service, routed.route, entry.now)


def slow_address_may_wait(entry: Entry) -> Deny | None:
    """Who must wait finds a place to wait in: a full one is no reason to be let in sooner."""
    routed = entry.routed
    return _slowed(entry.standing, routed.service, routed.route, entry.now) if entry.crowded else None


def banned_address_is_a_guest(screening: Screening) -> Deny | None:
    """From a banned address come only the keys that were verified from there lately."""
    identified = screening.identified
    if not identified.standing:
        return None
    claimed = None if identified.claim is None else identified.claim.key_id
    standing = tuple([ban for ban in identified.standing if ban.guests and claimed not in ban.guests])
    return _worst(standing, identified.service, identified.route, identified.at)


def key_is_not_banned(hearing: Hearing) -> Deny | None:
    """Nothing against the key or its account stops such a message."""
    if hearing.bans is NO_BANS:
        return None
    screened = hearing.signed.screened
    service, route = screened.identified.service, screened.identified.route
    return _worst(holder_standing(hearing.bans, screened.record, service, hearing.now), service, route, hearing.now)


def slow_key_may_wait(departure: Departure) -> Deny | None:
    """So does a key that must wait, or whose account must."""
    if not departure.crowded:
        return None
    verified, now = departure.verified, departure.now
    service, route = verified.identified.service, verified.identified.route
    return _slowed(holder_standing(departure.bans, verified.record, service, now), service, route, now)


def _slowed(standing: tuple[Ban, ...], service: Service, route: Route, now: UnixMs) -> Deny | None:
    if route.critical:
        return None
    for ban in standing:
        if ban.action is Action.SLOW and is_meant(ban, service):
            return _deny(ban, service, now)
    return None


def _worst(standing: tuple[Ban, ...], service: Service, route: Route, now: UnixMs) -> Deny | None:
    """The Deny of what is meant; else of what is only recorded; of several the most severe."""
    would = [ban for ban in standing if _stops(ban, route) or _is_recorded(ban, service, route)]
    if not would:
        return None
    return _deny(max(would, key=lambda ban: (is_meant(ban, service), ban.action.severity)), service, now)


def _stops(ban: Ban, route: Route) -> bool:
    """SLOW and THROTTLE stop nothing by themselves: the one makes wait, and limits speak for the other."""
    if ban.action is Action.QUARANTINE:
        return not (route.reads or route.critical)
    return ban.action is Action.BAN


def _is_recorded(ban: Ban, service: Service, route: Route) -> bool:
    return ban.action in (Action.SLOW, Action.THROTTLE) and not route.critical and not is_meant(ban, service)


def _deny(ban: Ban, service: Service, now: UnixMs) -> Deny:
    wait_ms = _AGAIN_MS if ban.action is Action.SLOW else ban.until - now
    return Deny(code=_CODES[ban.action], rule=rule_of(ban, service), wait_ms=wait_ms)
