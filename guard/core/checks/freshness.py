"""Was it signed just now, and never seen before?

A signature is good while -future <= age <= past, both inclusive, and until the expiry that it carries. The request may
narrow the window, never widen it. Nor does a reload, for what was signed before it (`Window.narrow_until`).
"""

from guard.core.evidence import Admission, Draft, Hearing
from guard.model.claims import Claim
from guard.model.decision import Deny
from guard.model.names import UnixMs
from guard.model.policy import Window
from guard.model.questions import BeforeEpoch, Replayed, Unavailable
from guard.model.rules import Rule


def clock_is_sure(draft: Draft) -> Deny | None:
    """Nothing that is signed is judged by a clock that other clocks contradict."""
    return None if draft.clock_is_sure or draft.scheme is None else Deny(code="gateway.clock", wait_ms=1000)


def timestamp_is_inside_window(draft: Draft) -> Deny | None:
    """Judged at the head, where the time is there: nothing is asked about a message that is too old."""
    if not isinstance(draft.claim, Claim) or draft.window is None or draft.auth is None:
        return None
    return _outside(draft.claim, draft.window, draft.auth.rule, draft.now)


def late_timestamp_is_inside_window(hearing: Hearing) -> Deny | None:
    """Judged again when the body is there, which may have brought the time, and took time to come."""
    identified = hearing.signed.screened.identified
    if not isinstance(hearing.claim, Claim) or identified.window is None or identified.auth is None:
        return None
    return _outside(hearing.claim, identified.window, identified.auth.rule, hearing.now)


def timestamp_is_still_inside_window(admission: Admission) -> Deny | None:
    """Judged once more with the time that the store used."""
    identified = admission.verified.identified
    if admission.verified.claim is None or identified.window is None or identified.auth is None:
        return None
    return _outside(admission.verified.claim, identified.window, identified.auth.rule, admission.now)


def nonce_is_fresh(admission: Admission) -> Deny | None:
    """The store had never seen this message, and is old enough to know."""
    identified = admission.verified.identified
    rule = None if identified.auth is None else identified.auth.rule
    receipt = admission.receipt
    if isinstance(receipt, Unavailable):
        return Deny(code="store.unavailable", wait_ms=1000)
    if isinstance(receipt, Replayed):
        ago_ms = receipt.now - receipt.first_seen_at
        return Deny(code="auth.replayed", rule=rule, detail=f"this exact request was accepted {ago_ms} ms ago")
    if isinstance(receipt, BeforeEpoch):
        detail = "signed before this gateway began to remember; sign it again"
        return Deny(code="auth.stale", rule=rule, detail=detail, server_time=receipt.now, skew_ms=0)
    return None


def _outside(claim: Claim, window: Window, rule: Rule, now: UnixMs) -> Deny | None:
    if claim.signed_at is None:
        return None
    age_ms = now - claim.signed_at
    past_ms = window.past_ms if claim.signed_at > window.narrow_until else window.narrow_past_ms
    if claim.window_ms is not None and claim.window_ms < past_ms:
        past_ms = claim.window_ms
    if age_ms > past_ms:
        detail = f"signed {age_ms} ms ago; at most {past_ms} ms are accepted"
        return Deny(code="auth.stale", rule=rule, detail=detail, server_time=now, skew_ms=age_ms)
    if -age_ms > window.future_ms:
        detail = f"signed {-age_ms} ms in the future; at most {window.future_ms} ms are accepted"
        return Deny(code="auth.future", rule=rule, detail=detail, server_time=now, skew_ms=age_ms)
    if claim.expires_at is not None and now > claim.expires_at:
        return Deny(code="auth.stale", rule=rule, detail="past its own expiry", server_time=now, skew_ms=age_ms)
    return None
