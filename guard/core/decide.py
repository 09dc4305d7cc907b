"""The decision, step by step: from one stage to the next, or to a Deny. The only file that constructs a stage.

Each function is pure. Between them `service/judge.py` asks the questions that this file words (`room`, `charge`). The
order of the checks inside a step is `core/pipeline.py`.
"""

from collections.abc import Mapping

from msgspec import structs

from guard.core import pipeline
from guard.core.about import about_claim, about_holder
from guard.core.drafts import draft_of, hearing_of, record_to_try
from guard.core.evidence import Admission, Arrival, Departure, Entry, Hearing, Screening
from guard.core.once import once_of
from guard.core.pricing import price, price_at_head
from guard.core.routing import place_for
from guard.core.stages import Allow, Entered, Identified, Routed, Screened, Signed, Verified
from guard.core.standing import delay_ms, holder_standing, throttled
from guard.core.subjects import debits, due, hold_ms
from guard.model.bans import NO_BANS, Ban, Bans
from guard.model.claims import Claim
from guard.model.decision import Deny
from guard.model.facts import Body, BodyRead, Facts
from guard.model.halts import NO_HALTS, Halts
from guard.model.keys import KeyRecord
from guard.model.names import UnixMs
from guard.model.policy import PolicySet
from guard.model.questions import Charge, Debit, Granted, Once, Receipt, Short, Unavailable
from guard.model.rules import Mode
from guard.signing.scheme import Scheme
from guard.wire.client_address import client_address


def route(policies: PolicySet, facts: Facts) -> Routed | Deny:
    """Which route is the message for?"""
    denied = pipeline.run(pipeline.MESSAGE, facts)
    if isinstance(denied, Deny):
        return denied
    found = place_for(policies, facts)
    if isinstance(found, Deny):
        return found
    service, place = found
    address = client_address(facts.peer, facts.fields, service.client_ip)
    return Routed(facts=facts, service=service, route=place, address=address)


def let_in(routed: Routed, strain: int, halts: Halts = NO_HALTS) -> Deny | None:
    """Why it may not come in now: halted, or no room (messages less urgent than `strain` must wait; 0 is no strain)."""
    if strain == 0 and halts is NO_HALTS:
        return None
    kept_out = pipeline.run(pipeline.ARRIVAL, Arrival(routed, strain, halts))
    return kept_out if isinstance(kept_out, Deny) else None


def room(routed: Routed, now: UnixMs, body_ms_max: int = 0, held: tuple[Ban, ...] = ()) -> Charge | None:
    """The question whether the address has room, None where no limit asks. Its charge stands whatever follows.

    Its slots are held from before the body is read, which takes up to `body_ms_max`. `held` is what is in force
    against it (`core/standing.py`).
    """
    limits = routed.route.limits_address
    if not limits:
        return None
    taken = debits(routed, None, limits, price_at_head(routed.route, routed.facts))
    if held:
        taken = throttled(taken, held, routed.service, routed.route)
    return Charge(
        id=f"{routed.facts.request_id}/address",
        now=now,
        debits=taken,
        hold_ms=hold_ms(taken, body_ms_max + routed.route.total_ms),
        critical=routed.route.critical,
        loss=routed.route.loss,
    )


def enter(
    routed: Routed,
    room: Receipt | None,
    *,
    held: tuple[Ban, ...] = (),
    now: UnixMs = UnixMs(0),  # noqa: B008  # an integer
    crowded: bool = False,
) -> Entered | Deny:
    """May the address ask? `held` is what is in force against it; `crowded`: nobody more can be made to wait."""
    shadow = pipeline.run(pipeline.ADDRESS, Entry(routed, room, now, held, crowded))
    if isinstance(shadow, Deny):
        return shadow
    readings = room.readings if isinstance(room, (Granted, Short)) else ()
    if not held:
        return Entered(routed=routed, readings=readings, shadow=shadow)
    delay = delay_ms(held, routed.service, routed.route)
    return Entered(routed=routed, readings=readings, shadow=shadow, standing=held, delay_ms=delay)


def identify(
    entered: Entered, schemes: Mapping[str, Scheme], now: UnixMs, *, clock_is_sure: bool = True
) -> Identified | Deny:
    """Who does it claim to be, and when does it say it was signed?"""
    draft = draft_of(entered.routed, schemes, now, clock_is_sure=clock_is_sure)
    shadow = pipeline.run(pipeline.CREDENTIALS, draft)
    if isinstance(shadow, Deny):
        return about_claim(shadow, draft.claim)
    claim = draft.claim if isinstance(draft.claim, Claim) and not draft.rivals else None
    return Identified(
        facts=draft.facts,
        service=draft.service,
        route=draft.route,
        address=draft.address,
        auth=draft.auth,
        scheme=None if claim is None else draft.scheme,  # in shadow it goes on like a message to an open route
        claim=claim,
        window=None if claim is None else draft.window,
        remember_ms=draft.remember_ms,
        at=now,
        readings=entered.readings,
        shadow=(*entered.shadow, *shadow),
        standing=entered.standing,
    )


def screen(identified: Identified, found: KeyRecord | Unavailable | None) -> Screened | Deny:
    """Is a key record at hand?"""
    shadow = pipeline.run(pipeline.SCREEN, Screening(identified, found))
    if isinstance(shadow, Deny):
        return shadow
    record, unfit = record_to_try(identified, found)
    return Screened(identified=identified, record=record, unfit=unfit, shadow=(*identified.shadow, *shadow))


def verify_head(screened: Screened) -> Signed | Deny:
    """Is the head signed, as far as that can be told before the body has come?"""
    shadow = pipeline.run(pipeline.HEAD, screened)
    if isinstance(shadow, Deny):
        return shadow
    scheme, facts = screened.identified.scheme, screened.identified.facts
    proved = scheme is not None and not shadow and not (scheme.needs_body and facts.body is None)
    return Signed(screened=screened, proved=proved, shadow=(*screened.shadow, *shadow))


def verify(signed: Signed, body: Body | None, now: UnixMs, bans: Bans = NO_BANS) -> Verified | Deny:
    """Who is it, and may they do this? `body` None says that it streams, which only an open route may do."""
    hearing = hearing_of(signed, body, now, bans)
    brought = _brought(hearing)
    if isinstance(brought, Deny):
        return brought
    unproved = bool(brought) or _of_auth(signed.shadow)
    who = () if unproved else pipeline.run(pipeline.WHO, hearing)
    if isinstance(who, Deny):
        return who
    may = () if unproved or who else pipeline.run(pipeline.MAY, hearing)
    if isinstance(may, Deny):
        return about_holder(may, hearing)
    identified, content = signed.screened.identified, body.content if isinstance(body, BodyRead) else None
    pricing = identified.route.pricing
    return Verified(
        identified=identified,
        claim=hearing.claim if isinstance(hearing.claim, Claim) else None,
        record=None
        if unproved or who or _of_auth(may)
        else signed.screened.record,  # whoever auth would have stopped is nobody here; whom abuse would have, is not
        content=content,
        price=None if pricing is None else price(pricing, identified.facts, content),
        at=now,
        readings=identified.readings,
        shadow=(*signed.shadow, *brought, *who, *may),
    )


def charge(
    verified: Verified,
    now: UnixMs,
    obstacle: str | None = None,
    halts: Halts = NO_HALTS,
    bans: Bans = NO_BANS,
    *,
    crowded: bool = False,
) -> Charge | Deny | None:
    """The question whether the message is fresh and every limit of its principal has room; None if nothing asks.

    `obstacle` is the code of the reason why the backend cannot take it; `crowded`: it had to wait, and nobody more can
    be made to. Then, and where its holder is halted, nothing is asked, and nothing spent.
    """
    if obstacle is not None or halts is not NO_HALTS or crowded:
        blocked = pipeline.run(pipeline.DEPARTURE, Departure(verified, obstacle, halts, now, bans, crowded))
        if isinstance(blocked, Deny):
            return blocked
    taken, once = due(verified), once_of(verified)
    if once is None and not taken:
        return None
    if bans is not NO_BANS:
        service, route = verified.identified.service, verified.identified.route
        taken = throttled(taken, holder_standing(bans, verified.record, service, now), service, route)
    return _question(verified, now, once, taken)


def disown(verified: Verified, receipt: Receipt, now: UnixMs) -> Verified | None:
    """The same message as nobody's, where the store knows it or has buried its key and auth is in shadow; else None.

    So it spends nothing of the key that it was copied from, and nothing goes upstream in that key's name.
    """
    identified = verified.identified
    if identified.auth is None or identified.auth.rule.mode is not Mode.SHADOW:
        return None
    found = pipeline.run(
        pipeline.FRESH, Admission(verified=verified, receipt=receipt, record=verified.record, halts=NO_HALTS, now=now)
    )
    if isinstance(found, Deny) or not found:
        return None
    return structs.replace(verified, record=None, shadow=(*verified.shadow, *found))


def burn(verified: Verified, now: UnixMs) -> Charge | None:
    """What makes a message that `charge` refused impossible to execute later, where it does more than read."""
    once = once_of(verified)
    if once is None or not once.burns:
        return None
    return _question(verified, now, once, ())


def admit(
    verified: Verified,
    receipt: Receipt,
    record: KeyRecord | Unavailable | None,
    now: UnixMs,
    room: Receipt | None = None,
    *,
    halts: Halts = NO_HALTS,
) -> Allow | Deny:
    """Is it fresh, is there room, and does what time may have changed still hold? `record` is the key as it is now.

    `room` is that of the address, where it was not known when the message was screened.
    """
    at = now if isinstance(receipt, Unavailable) else receipt.now
    admission = Admission(verified=verified, receipt=receipt, record=record, halts=halts, now=at, room=room)
    unchanged = at == verified.at and record is verified.record and halts is NO_HALTS
    waited = () if unchanged else pipeline.run(pipeline.STILL, admission)
    if isinstance(waited, Deny):
        return waited
    shadow = pipeline.run(pipeline.ADMIT, admission)
    if isinstance(shadow, Deny):
        return structs.replace(shadow, shadow=(*waited, *shadow.shadow)) if waited else shadow
    late = room.readings if isinstance(room, Granted | Short) else ()
    readings = receipt.readings if isinstance(receipt, Granted | Short) else ()
    return Allow(
        verified=structs.replace(verified, record=None) if _of_auth(waited) else verified,
        admitted_at=at,
        readings=(*verified.readings, *late, *readings),
        shadow=(*verified.shadow, *waited, *shadow),
    )


def still(allow: Allow, record: KeyRecord | Unavailable | None, now: UnixMs, halts: Halts = NO_HALTS) -> Deny | None:
    """Directly before the first byte goes upstream: window, key state and halts once more, for waiting took time."""
    verified = allow.verified
    if now == allow.admitted_at and record is verified.record and halts is NO_HALTS:
        return None
    admission = Admission(verified=verified, receipt=Granted(now, ()), record=record, halts=halts, now=now)
    again = pipeline.run(pipeline.STILL, admission)
    return again if isinstance(again, Deny) else None


def _of_auth(shadow: tuple[Deny, ...]) -> bool:
    """Whether something would have been denied that says who sent the message, or what they may do."""
    return bool(shadow) and any(not deny.code.startswith(("limit.", "abuse.")) for deny in shadow)


def _brought(hearing: Hearing) -> Deny | tuple[Deny, ...]:
    """Whether anything is wrong with what came behind the head. A body that came with it was judged with it."""
    identified = hearing.signed.screened.identified
    if isinstance(hearing.body, BodyRead) and hearing.facts is identified.facts and hearing.now == identified.at:
        return ()
    return pipeline.run(pipeline.BODY, hearing)


def _question(verified: Verified, now: UnixMs, once: Once | None, taken: tuple[Debit, ...]) -> Charge:
    route, record = verified.identified.route, verified.record
    return Charge(
        id=verified.identified.facts.request_id,
        now=now,
        once=once,
        debits=taken,
        hold_ms=hold_ms(taken, route.total_ms),
        account=None if record is None else record.account,
        key_id=None if record is None else record.id,
        critical=route.critical,
        loss=route.loss,
    )
