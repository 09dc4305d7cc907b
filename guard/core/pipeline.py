"""The order in which a message is judged: all of it, on this screen. Read from top to bottom; nothing else decides.

A check takes the stage so far and returns None if it holds or a Deny if it does not. Whether a Deny ends the line is
decided here, by the mode of the rule that it names: enforce ends it, shadow is carried along, and a Deny without a rule
is the gateway's own and always ends it. Between the tables one question is asked and answered (`service/judge.py`).
"""

from collections.abc import Callable
from typing import TypeVar

from msgspec.structs import replace

from guard.core.checks.address import (
    address_had_room,
    address_has_room,
    address_is_permitted,
    address_may_use_route,
)
from guard.core.checks.bans import (
    address_is_not_banned,
    banned_address_is_a_guest,
    key_is_not_banned,
    slow_address_may_wait,
    slow_key_may_wait,
)
from guard.core.checks.bounds import resources_are_within_bounds, use_is_within_bounds
from guard.core.checks.cost import cost_is_told
from guard.core.checks.credentials import claim_is_complete, credentials_are_present
from guard.core.checks.freshness import (
    clock_is_sure,
    late_timestamp_is_inside_window,
    nonce_is_fresh,
    timestamp_is_inside_window,
    timestamp_is_still_inside_window,
)
from guard.core.checks.halts import (
    holder_is_not_halted,
    holder_is_still_not_halted,
    service_is_not_halted,
    service_is_still_not_halted,
)
from guard.core.checks.key import (
    key_is_no_honeytoken,
    key_is_not_buried,
    key_record_is_at_hand,
    key_state_permits_use,
    key_state_still_permits_use,
    network_is_allowed,
    scope_covers_route,
)
from guard.core.checks.limits import limits_have_room
from guard.core.checks.message import announced_body_fits, message_is_unambiguous, names_are_unambiguous
from guard.core.checks.requirements import route_requirements_are_met
from guard.core.checks.room import backend_can_take_it, gateway_has_room
from guard.core.checks.signature import (
    body_digest_matches,
    body_is_complete,
    signature_covers_enough,
    signature_still_covers_enough,
    signature_verifies,
    signature_verifies_at_head,
)
from guard.model.decision import Deny
from guard.model.rules import Mode

# Before anyone is asked anything. Routing stands between them (core/decide.py).
MESSAGE = (message_is_unambiguous,)
ARRIVAL = (
    service_is_not_halted,
    gateway_has_room,
)

# The address's room has been asked for. Nothing that the message claims is read before its address may ask.
ADDRESS = (
    address_is_permitted,
    address_is_not_banned,
    slow_address_may_wait,
    address_may_use_route,
    address_has_room,
)

# The message says who it is from.
CREDENTIALS = (
    names_are_unambiguous,
    credentials_are_present,
    clock_is_sure,
    timestamp_is_inside_window,
    announced_body_fits,
)

# The key record has been asked for.
SCREEN = (
    banned_address_is_a_guest,
    key_record_is_at_hand,
)

# Before a byte of the body is read, where the signature base allows it.
HEAD = (
    signature_covers_enough,
    signature_verifies_at_head,
)

# The body has been read, which had not come with its head: what did it bring?
BODY = (
    body_is_complete,
    claim_is_complete,
    late_timestamp_is_inside_window,
    signature_still_covers_enough,
)

# All of the message is at hand: who is it?
WHO = (
    signature_verifies,
    body_digest_matches,
)

# Who it is has been proved: may they?
MAY = (
    key_is_no_honeytoken,
    key_state_permits_use,
    key_is_not_banned,
    network_is_allowed,
    scope_covers_route,
    use_is_within_bounds,
    resources_are_within_bounds,
    route_requirements_are_met,
)

# All that is asked for next is spent; what is refused here burns its nonce, since it may be let through soon after.
DEPARTURE = (
    holder_is_not_halted,
    slow_key_may_wait,
    backend_can_take_it,
)

# What time may have changed, if any has passed. Asked again directly before the first byte goes upstream.
STILL = (
    timestamp_is_still_inside_window,
    key_state_still_permits_use,
    service_is_still_not_halted,
    holder_is_still_not_halted,
)

# The nonce and every limit have been asked for, all or nothing. STILL stands before it, if time has passed meanwhile.
FRESH = (
    key_is_not_buried,
    nonce_is_fresh,
)
ADMIT = (
    address_had_room,
    *FRESH,
    limits_have_room,
    cost_is_told,
)

# All tables, as a message meets them: for who explains a decision. Each Deny names the check that it is of.
ORDER = (MESSAGE, ARRIVAL, ADDRESS, CREDENTIALS, SCREEN, HEAD, BODY, WHO, MAY, DEPARTURE, STILL, ADMIT)


S = TypeVar("S")


def run(checks: tuple[Callable[[S], Deny | None], ...], stage: S) -> Deny | tuple[Deny, ...]:
    """The first Deny that ends the line, with those of shadow rules before it; or only these, if none ends it."""
    shadow: tuple[Deny, ...] = ()
    for check in checks:
        deny = check(stage)
        if deny is None:
            continue
        mode = Mode.ENFORCE if deny.rule is None else deny.rule.mode
        if mode is Mode.ENFORCE:
            return replace(deny, check=check.__name__, shadow=(*shadow, *deny.shadow))
        if mode is Mode.SHADOW:
            shadow = (*shadow, replace(deny, check=check.__name__, shadow=()), *deny.shadow)
    return shadow
