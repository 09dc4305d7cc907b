"""What a message says of itself, and the record to hold against that: the evidence that IDENTIFY and SCREEN judge."""

from collections.abc import Mapping

from guard.core.evidence import Draft, Hearing
from guard.core.stages import Identified, Routed, Signed
from guard.model.bans import Bans
from guard.model.claims import Claim, ClaimFault
from guard.model.facts import Body, BodyRead
from guard.model.keys import KeyRecord, KeyState
from guard.model.names import UnixMs
from guard.model.questions import Unavailable
from guard.signing.credentials import carries, make_claim
from guard.signing.decoy import decoy
from guard.signing.scheme import Scheme


def draft_of(routed: Routed, schemes: Mapping[str, Scheme], now: UnixMs, *, clock_is_sure: bool) -> Draft:
    """What the message says of itself, by the first scheme of its route that it carries."""
    auth, facts = routed.route.auth, routed.facts
    offered = () if auth is None else auth.schemes
    claimed = [index for index, name in enumerate(offered) if carries(schemes[name], facts)]
    index = claimed[0] if claimed else None
    scheme = None if index is None else schemes[offered[index]]
    return Draft(
        facts=facts,
        service=routed.service,
        route=routed.route,
        address=routed.address,
        auth=auth,
        scheme=scheme,
        rivals=tuple([offered[rival] for rival in claimed[1:]]),
        claim=None if scheme is None else make_claim(scheme, facts),
        window=None if auth is None or index is None else auth.windows[index],
        remember_ms=0 if auth is None or index is None else auth.remember_ms[index],
        now=now,
        clock_is_sure=clock_is_sure,
    )


def record_to_try(
    identified: Identified, record: KeyRecord | Unavailable | None
) -> tuple[KeyRecord | None, str | None]:
    """The record to verify against. Where the real one cannot serve, a decoy that costs as much, and why."""
    scheme, claim, auth = identified.scheme, identified.claim, identified.auth
    if scheme is None or claim is None or auth is None:
        return None, None
    if not isinstance(record, KeyRecord) or record.state is KeyState.DESTROYED:
        return decoy(scheme, claim.key_id, auth.algorithms), "auth.unknown_key"
    if record.algorithm not in auth.algorithms or record.algorithm not in scheme.algorithms:
        return decoy(scheme, claim.key_id, auth.algorithms), "auth.algorithm"
    return record, None


def hearing_of(signed: Signed, body: Body | None, now: UnixMs, bans: Bans) -> Hearing:
    """The message with its body in place, and the whole claim."""
    identified = signed.screened.identified
    facts = identified.facts
    claim: Claim | ClaimFault | None = identified.claim
    if isinstance(body, BodyRead) and facts.body is None:
        facts = facts.with_body(body.content)
        if identified.scheme is not None and identified.scheme.claims_in_body:
            claim = make_claim(identified.scheme, facts)
    return Hearing(signed=signed, body=body, facts=facts, claim=claim, now=now, bans=bans)
