"""The whole line as one pure function, for tests: every step of `core/decide.py`, with the answers put in its hands."""

from guard.core import decide
from guard.core.stages import Allow, Entered, Identified, Routed, Screened, Signed
from guard.core.standing import address_standing
from guard.model.bans import NO_BANS, Bans
from guard.model.decision import Deny
from guard.model.facts import Body, BodyRead, Facts
from guard.model.halts import NO_HALTS, Halts
from guard.model.keys import KeyRecord
from guard.model.names import UnixMs
from guard.model.policy import PolicySet
from guard.model.questions import Granted, Receipt, Unavailable
from guard.signing.scheme import Scheme
from tests.build import NOW, policies, record, scheme

SCHEMES: dict[str, Scheme] = {name: scheme(name) for name in ("guard-v1", "api-key", "binance")}


def decided(
    facts: Facts,
    *,
    rules: PolicySet | None = None,
    key: KeyRecord | Unavailable | None = record(),  # noqa: B008  # a frozen value
    key_later: KeyRecord | Unavailable | None = None,
    room: Receipt | None = None,
    late_room: Receipt | None = None,
    receipt: Receipt | None = None,
    body: bytes | Body | None = None,
    now: UnixMs = NOW,
    later: UnixMs | None = None,
    clock_is_sure: bool = True,
    halts: Halts = NO_HALTS,
    halts_later: Halts | None = None,
    bans: Bans = NO_BANS,
    crowded: bool = False,
) -> Allow | Deny:
    """`room` is None and `receipt` granted unless given; what ends in `later` is so after the charge.

    `late_room` is what the address's limits say only then.
    """
    routed = decide.route(rules or policies(), facts)
    if isinstance(routed, Deny):
        return routed
    kept_out = decide.let_in(routed, 0, halts)
    if kept_out is not None:
        return kept_out
    held = address_standing(bans, routed, now)
    entered = decide.enter(routed, room, held=held, now=now, crowded=crowded)
    if isinstance(entered, Deny):
        return entered
    identified = decide.identify(entered, SCHEMES, now, clock_is_sure=clock_is_sure)
    if isinstance(identified, Deny):
        return identified
    screened = decide.screen(identified, key)
    if isinstance(screened, Deny):
        return screened
    signed = decide.verify_head(screened)
    if isinstance(signed, Deny):
        return signed
    verified = decide.verify(signed, BodyRead(body) if isinstance(body, bytes) else body, now, bans)
    if isinstance(verified, Deny):
        return verified
    blocked = decide.charge(verified, now, halts=halts, bans=bans, crowded=crowded)
    if isinstance(blocked, Deny):
        return blocked
    at = now if later is None else later
    answered = receipt or Granted(now=at, readings=())
    now_halted = halts if halts_later is None else halts_later
    return decide.admit(verified, answered, key if key_later is None else key_later, at, late_room, halts=now_halted)


def identified_as(message: Facts, rules: PolicySet | None = None) -> Identified:
    """A message whose credentials are in order, as far as that is told from its head."""
    routed = decide.route(rules or policies(), message)
    assert isinstance(routed, Routed)
    entered = decide.enter(routed, None)
    assert isinstance(entered, Entered)
    identified = decide.identify(entered, SCHEMES, NOW)
    assert isinstance(identified, Identified)
    return identified


def head_of(message: Facts, rules: PolicySet | None = None) -> Signed:
    """A message of the key whose head is in order, before its body is looked at."""
    screened = decide.screen(identified_as(message, rules), record())
    assert isinstance(screened, Screened)
    head = decide.verify_head(screened)
    assert isinstance(head, Signed)
    return head


def code(outcome: Allow | Deny) -> str:
    """`allow`, or the code of the reason."""
    return outcome.code if isinstance(outcome, Deny) else "allow"
