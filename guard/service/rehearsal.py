"""A gateway to try things on: the real line over memory, with a clock that stands still and keys that are made up.

It opens no socket, asks no clock and draws nothing at random, so the same requests are always decided alike. Policy
tests and `guard explain` ask it; what it says is what a gateway that serves these rules would say.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from guard.core.pricing import settled_cost
from guard.core.routing import place_for
from guard.core.stages import Allow, Signed
from guard.core.telling import numbers_told
from guard.model.decision import DecisionEvent, Deny
from guard.model.exchange import Sent
from guard.model.facts import Body, BodyRead, Facts, Field
from guard.model.halts import NO_HALTS, Halts
from guard.model.keys import Bounds, KeyAlgorithm, KeyRecord, KeyState, Secret
from guard.model.names import AccountId, KeyId, RequestId, UnixMs
from guard.model.policy import RouteAuth
from guard.model.questions import Charge, Receipt, Unavailable
from guard.policy.cases import Fixture
from guard.service.aftermath import Aftermath, Outcome
from guard.service.at_once import at_once
from guard.service.endurance import Endurance
from guard.service.judge import Judge, Judgement
from guard.service.patience import Patience
from guard.service.rulebook import Rulebook, Rules
from guard.service.watch import Watch
from guard.signing.scheme import Scheme
from guard.signing.specimens import specimen
from guard.signing.writing import CannotSign, Forged, Request, Signer
from guard.state.ban_board import BanBoard
from guard.state.memory import MemoryLimits
from guard.state.protocols import KeyDirectory
from guard.state.scores import MemoryScores
from guard.state.share import LocalShare
from guard.telemetry.decision_log import timestamp
from guard.telemetry.meter import Meter
from guard.wire.allowed_fields import allowed_fields
from guard.wire.forwarding import answer_fields
from guard.wire.http_message import facts_from_http
from guard.wire.problem import problem

STARTS_AT: Final = UnixMs(1_893_456_000_000)
"""2030-01-01T00:00:00Z."""

AUTHORITY: Final = b"policy.test"
"""For a service that names no host."""

_DAY_MS: Final = 86_400_000
_ENTRIES_MAX: Final = 200_000
_OK: Final = 200
_KINDS: Final = (
    KeyAlgorithm.HMAC_SHA256,
    KeyAlgorithm.ED25519,
    KeyAlgorithm.HMAC_SHA512,
    KeyAlgorithm.ECDSA_P256,
    KeyAlgorithm.RSA,
    KeyAlgorithm.API_KEY,
)
"""What kind of key is made up, where several will do: the cheapest that is usual."""


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one request: the judgement, what its client is told, and the line of the decision log."""

    facts: Facts
    judgement: Judgement
    status: int
    fields: tuple[Field, ...]
    event: DecisionEvent

    @property
    def outcome(self) -> str:
        """`allow`, or the code of the reason."""
        judged = self.judgement.outcome
        return judged.code if isinstance(judged, Deny) else "allow"


class Rehearsal:
    """See the module. `now` is its clock, to be set forward; `store.is_down` takes its shared store away, and `signals`
    are those of abuse that counted.
    """

    def __init__(self, rules: Rulebook) -> None:
        self.now = STARTS_AT
        self.store = _FaultyStore(UnixMs(STARTS_AT - _DAY_MS))
        self._rules = rules
        self._keys = _MadeUpKeys()
        self._kinds: dict[str, KeyAlgorithm] = {}
        self._sent = 0
        self._events: list[DecisionEvent] = []
        self.signals: set[str] = set()
        limits = Endurance(self.store, LocalShare(UnixMs(STARTS_AT - _DAY_MS)), lambda: 1, concurrent=False)
        limits.ask(Charge(id="the store has answered before", now=STARTS_AT))
        watch = Watch(
            *(lambda: rules.policies, MemoryScores(), BanBoard(), lambda: self.now),
            chance=_no_jitter,
            meter=_Signals(self.signals),
        )
        at = Rules(rules), self._keys, limits, lambda: self.now
        self._judge = Judge(*at, board=watch.board, patience=_Patience(self))
        self._aftermath = Aftermath(limits, self._events.append, str, timestamp, Meter(), watch=watch)

    def request(self, service: str, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Request:
        """A request for this service, not signed yet, as a client would send it."""
        hosts = next(one.hosts for one in self._rules.policies.services if one.name == service)
        fields = {name.encode(): value.encode() for name, value in headers.items()}
        authority = fields.pop(b"host", min(hosts, default=AUTHORITY))
        path, mark, query = target.encode().partition(b"?")
        return Request(
            method=method,
            path=path,
            query=query if mark else None,
            authority=authority,
            fields=tuple(fields.items()),
            body=body,
        )

    def signed(self, request: Request, who: Fixture, *, skew_ms: int = 0, forged: Forged | None = None) -> Request:
        """The request with the credentials that its route asks for; as it is where nobody asks. Raises CannotSign."""
        place = place_for(self._rules.policies, self.facts(request, who.ip))
        auth = None if isinstance(place, Deny) else place[1].auth
        if auth is None and who.scheme is None:
            return request
        scheme = self._scheme(who, auth)
        kind = self._kinds.setdefault(who.key, _kind(who, scheme, auth))
        self._keys.records[KeyId(who.key)] = None if who.unknown else _record(who, kind)
        signer = Signer(scheme=scheme, key_id=KeyId(who.key), key=specimen(who.key, kind))
        return signer.sign(request, UnixMs(self.now + skew_ms), self._next(), forged)

    def send(self, request: Request, ip: str, status: int = _OK, answer: tuple[Field, ...] = ()) -> Heard:
        """What comes of the request, from this address, now. The backend, if it is asked, answers this at once."""
        facts = self.facts(request, ip)
        judgement = at_once(self._judge.judge(facts, _no_body))
        if not isinstance(judgement.outcome, Deny):
            late = self._judge.still(judgement.outcome)
            judgement = judgement if late is None else msgspec.structs.replace(judgement, outcome=late)
        judged = judgement.outcome
        if isinstance(judged, Deny):
            outcome, fields = _refused(facts, judged, judgement)
        else:
            outcome, fields = _answered(facts, judged, status, answer)
        outcome = msgspec.structs.replace(outcome, bytes_in=len(request.body))
        at_once(self._aftermath.conclude(facts, judgement, outcome))
        return Heard(facts=facts, judgement=judgement, status=outcome.status, fields=fields, event=self._events.pop())

    def _scheme(self, who: Fixture, auth: RouteAuth | None) -> Scheme:
        schemes = self._rules.schemes
        if who.scheme is not None:
            if who.scheme not in schemes:
                raise CannotSign(f"no route here accepts the scheme {who.scheme}")
            return schemes[who.scheme]
        offered = [schemes[name] for name in (() if auth is None else auth.schemes)]
        kind = self._kinds.get(who.key, who.algorithm)
        return next((scheme for scheme in offered if kind in scheme.algorithms), offered[0])

    def facts(self, request: Request, ip: str) -> Facts:
        """The request as an edge would see it arrive, now."""
        target = request.path if request.query is None else request.path + b"?" + request.query
        length: tuple[Field, ...] = ((b"content-length", b"%d" % len(request.body)),) if request.body else ()
        return facts_from_http(
            method=request.method,
            target=target,
            fields=((b"host", request.authority), *request.fields, *length),
            body=request.body,
            peer=ip,
            secure=True,
            received_at=self.now,
            request_id=RequestId(f"req_rehearsal_{self._next()}"),
        )

    def _next(self) -> int:
        self._sent += 1
        return self._sent


def _refused(facts: Facts, deny: Deny, judgement: Judgement) -> tuple[Outcome, tuple[Field, ...]]:
    """What becomes of it, and the fields that its client is told."""
    refusal = problem(deny, facts.request_id, Sent.NO, service=judgement.realm)
    return Outcome(status=refusal.status, sent=Sent.NO, guard_us=0), refusal.fields


def _answered(facts: Facts, allow: Allow, status: int, answer: tuple[Field, ...]) -> tuple[Outcome, tuple[Field, ...]]:
    """The same of what the backend answers."""
    settlement, abuse = allow.route.settlement, allow.verified.identified.service.abuse
    outcome = Outcome(
        status=status,
        sent=Sent.YES,
        cost=None if settlement is None else settled_cost(settlement, status, answer),
        told=None if abuse is None else numbers_told(abuse.fields, answer),
        guard_us=0,
    )
    return outcome, tuple(answer_fields(answer, ours=allowed_fields(allow.readings, facts.request_id)))


def _kind(who: Fixture, scheme: Scheme, auth: RouteAuth | None) -> KeyAlgorithm:
    if who.algorithm is not None:
        return who.algorithm
    accepted = scheme.algorithms if auth is None else scheme.algorithms & auth.algorithms
    return next(kind for kind in _KINDS if kind in (accepted or scheme.algorithms))


def _record(who: Fixture, kind: KeyAlgorithm) -> KeyRecord:
    return KeyRecord(
        id=KeyId(who.key),
        account=AccountId(who.account or f"account of {who.key}"),
        algorithm=kind,
        material=Secret(specimen(who.key, kind).material),
        state=KeyState.DEACTIVATED if who.revoked else KeyState.ACTIVE,
        scopes=who.scopes,
        tier=who.tier,
        networks=who.networks,
        bounds=Bounds.of(who.uses, who.only) if who.uses or who.only else None,
        lineage=KeyId(who.key),
        created_at=UnixMs(STARTS_AT - _DAY_MS),
        expires_at=STARTS_AT if who.expired else None,
    )


def _no_jitter(below: int) -> int:
    return below // 2


class _Signals(Meter):
    """Remembers which signals counted."""

    def __init__(self, seen: set[str]) -> None:
        super().__init__()
        self._seen = seen

    def signal(self, service: str, signal: str) -> None:  # noqa: ARG002  # the meter's
        self._seen.add(signal)


class _Patience(Patience):
    """Whoever is slowed waits by the rehearsal's clock."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        super().__init__()
        self._rehearsal = rehearsal

    async def wait(self, delay_ms: int) -> None:
        self._rehearsal.now = UnixMs(self._rehearsal.now + delay_ms)


class _MadeUpKeys(KeyDirectory):
    """The keys that a rehearsal has used so far. None is one that nobody ever made."""

    def __init__(self) -> None:
        self.records: dict[KeyId, KeyRecord | None] = {}

    @property
    def halts(self) -> Halts:
        return NO_HALTS

    def find(self, key_id: KeyId, now: UnixMs) -> KeyRecord | None:  # noqa: ARG002  # the Protocol's
        return self.records.get(key_id)

    def touch(self, key_id: KeyId, now: UnixMs) -> None:
        """Nobody wants to know."""


class _FaultyStore(MemoryLimits):
    """Memory in the place of a shared store, which can be taken away."""

    __slots__ = ("is_down",)

    def __init__(self, born_at: UnixMs) -> None:
        super().__init__(
            born_at, filled_since=UnixMs(0), identities_max=_ENTRIES_MAX, meters_max=_ENTRIES_MAX, receipts_max=1024
        )
        self.is_down = False

    def ask(self, charge: Charge) -> Receipt:
        return Unavailable("a policy test took the store away") if self.is_down else super().ask(charge)

    async def repay(self, charge: Charge) -> Receipt:
        return Unavailable("a policy test took the store away") if self.is_down else await super().repay(charge)


async def _no_body(_: Signed) -> Body:
    """Bodies come with their heads here."""
    return BodyRead(b"")
