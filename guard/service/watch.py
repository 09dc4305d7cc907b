"""The line after the answer, for abuse: what a message was evidence of, which score that raises, and what follows.

An ordinary message costs one look into a table that its policy compiled. With scores in memory the effect is there
before the next message is judged; with shared ones `drain` is called again and again, off every road.
"""

import hashlib
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from guard.core import abuse
from guard.core.stages import Allow, Identified, Routed
from guard.model.abuse import AbusePolicy, Action, Raised, Rung, Sighting, Signal, SubjectKind
from guard.model.bans import Ban, BanId
from guard.model.decision import Deny
from guard.model.facts import Facts
from guard.model.keys import KeyRecord
from guard.model.names import Address, RequestId, UnixMs
from guard.model.policy import PolicySet, Service
from guard.model.rules import Mode, Rule
from guard.service.at_once import at_once
from guard.service.echoes import Echoes
from guard.service.guests import Guests
from guard.service.judge import Judgement
from guard.service.sightings import Event, concerns, holder_of, message_of, sightings_of, watched
from guard.state.ban_board import BanBoard
from guard.state.protocols import ScoreStore
from guard.telemetry.meter import Meter
from guard.wire.client_address import client_address

PENDING_MAX: Final = 20_000
ACTIVE_MAX: Final = 20_000
GATEWAY: Final = "gateway"

_ID_CHARACTERS: Final = 12
_PAGE_EVERY_MS: Final = 10_000
_ACTIVE_MS: Final = 3_600_000
_FAULTY: Final = 5


class Watch:
    """Sees every concluded message. `chance` draws a number below its argument; `waits` says that scores are shared."""

    def __init__(
        self,
        policies: Callable[[], PolicySet],
        scores: ScoreStore,
        board: BanBoard,
        now: Callable[[], UnixMs],
        *,
        chance: Callable[[int], int],
        meter: Meter,
        waits: bool = False,
    ) -> None:
        self.board = board
        self.guests = Guests()
        self.on_effect: Callable[[Ban], None] = lambda _: None
        """Hears of what comes into force, or would."""
        self.on_capped: Callable[[int, int], None] = lambda _active, _percent: None
        """Hears, once in a while, that more would be banned than this share of those who are active."""
        self._policies = policies
        self._scores = scores
        self._now = now
        self._chance = chance
        self._meter = meter
        self._waits = waits
        self._echoes = Echoes()
        self._pending: deque[Sighting] = deque()
        self._lifted: list[Ban] = []
        self._active: OrderedDict[tuple[SubjectKind, str], UnixMs] = OrderedDict()
        self._paged_at = UnixMs(0)

    def saw(  # noqa: PLR0917  # once a message: keywords would cost as much as the looking
        self,
        facts: Facts,
        judgement: Judgement,
        status: int,
        code: str | None,
        upstream_us: int | None,
        told: Mapping[bytes, int] | None = None,
    ) -> None:
        """A message was judged and answered: with this status, `code` being why its backend did not answer, and `told`
        the numbers that its answer tells, by field.
        """
        routed, outcome = judgement.routed, judgement.outcome
        if routed is None:
            if isinstance(outcome, Deny):
                self._unrouted(facts, outcome.code)
            return
        policy = routed.service.abuse
        if policy is None:
            return
        sender = self._sender(judgement, policy) if policy.heeds_refusals else None
        if isinstance(outcome, Deny):
            record, code = None, outcome.code
        else:
            record = outcome.verified.record
        what = min(status // 100, _FAULTY) if code is None else code
        kind = watched(policy, what, routed.route.name, tells=told is not None)
        if record is not None:
            v6_prefix, at = routed.service.client_ip.v6_prefix, routed.facts.received_at
            if not self.guests.verified(routed.address, v6_prefix, record.id, at, kind, kind.again_ms):
                return
        if not kind.signals:
            return
        if not policy.heeds_refusals:
            sender = self._sender(judgement, policy)
        self._count(kind.signals, policy, self._event(judgement, routed, sender, upstream_us, told))

    def _event(
        self,
        judgement: Judgement,
        routed: Routed | Identified,
        sender: KeyRecord | None,
        upstream_us: int | None,
        told: Mapping[bytes, int] | None,
    ) -> Event:
        identified = judgement.identified
        claim = None if identified is None else identified.claim
        return Event(
            service=routed.service,
            address=routed.address,
            request_id=routed.facts.request_id,
            route=routed.route.name,
            holder=sender,
            claimed="" if claim is None else claim.key_id,
            upstream_ms=(upstream_us or 0) // 1000,
            told=told or {},
        )

    def _sender(self, judgement: Judgement, policy: AbusePolicy) -> KeyRecord | None:
        """Who sent it, if that is proved; nobody, if it is what was sent before."""
        holder = holder_of(judgement)
        message = None if holder is None else message_of(judgement, also_spent=policy.heeds_refusals)
        admitted = isinstance(judgement.outcome, Allow)
        return None if message is not None and self._echoes.is_echo(message, admitted=admitted) else holder

    def refused(self, address: str, code: str, request_id: RequestId) -> None:
        """The listener refused something that is no message: it counts in each service that watches for that."""
        for service in self._watching(code):
            self._address_did(service, Address(address), code, request_id)

    async def drain(self) -> None:
        """Count what was seen, and put in force what follows."""
        lifted, self._lifted = self._lifted, []
        for told, ban in enumerate(lifted):  # it begins anew, so that the next event does not bring it back
            self.guests.all_is_news()
            if not await self._scores.forget(ban.kind, ban.name, ban.lifted_at or UnixMs(0)):  # knockout: lifted
                self._lifted += lifted[told:]
                break
        if not self._pending:
            return
        seen, now = tuple(self._pending), self._now()
        self._pending.clear()
        for raised in await self._scores.score(seen, now):
            self._meter.signal(raised.sighting.service, raised.sighting.signal.name)
            self.guests.all_is_news()
            self._follow(raised, now)

    def heard(self, bans: tuple[Ban, ...]) -> None:
        """The database tells of bans. This node adds the keys that it knows to come from a banned address."""
        self.board.take(tuple(map(self._with_guests, bans)), self._now())
        self._lifted += [ban for ban in bans if ban.lifted_at is not None]
        if not self._waits:
            at_once(self.drain())

    def _unrouted(self, facts: Facts, code: str) -> None:
        for service in self._watching(code):
            address = client_address(facts.peer, facts.fields, service.client_ip)
            self._address_did(service, address, code, facts.request_id)

    def _watching(self, code: str) -> Iterable[Service]:
        services = self._policies().services
        return [service for service in services if service.abuse is not None and code in service.abuse.by_code]

    def _address_did(self, service: Service, address: Address, code: str, request_id: RequestId) -> None:
        policy = service.abuse
        if policy is not None and address:
            event = Event(service, address, request_id)
            self._count(watched(policy, code, "").signals, policy, event)

    def _count(self, signals: tuple[Signal, ...], policy: AbusePolicy, event: Event) -> None:
        for sighting in sightings_of([signal for signal in signals if concerns(signal, event)], policy, event):
            if len(self._pending) >= PENDING_MAX:  # knockout: sightings_max
                self._meter.sightings_lost(1)
                return
            self._pending.append(sighting)
        if not self._waits:
            at_once(self.drain())

    def _follow(self, raised: Raised, now: UnixMs) -> None:
        sighting = raised.sighting
        policy, kind = sighting.policy, sighting.signal.per
        self._touch(kind, raised.name, now)
        rung = abuse.rung_for(policy.ladder, raised.points)
        if rung is None:
            return
        mode = sighting.score.mode
        before = self.board.of(ban_id(sighting.service, kind, raised.name, mode))
        if not abuse.replaces(rung, before, now):
            return
        if mode is Mode.ENFORCE and rung.action is Action.BAN and self._too_many(policy, now):
            mode = Mode.SHADOW
            before = self.board.of(ban_id(sighting.service, kind, raised.name, mode))
            if not abuse.replaces(rung, before, now):  # knockout: capped_ban_is_recorded_once
                return
        self._put(raised, rung, mode, before, now)

    def _put(self, raised: Raised, rung: Rung, mode: Mode, before: Ban | None, now: UnixMs) -> None:
        sighting = raised.sighting
        signal = sighting.signal
        strikes = abuse.strikes(before, rung, sighting.policy.ladder, now)
        ban = Ban(
            id=ban_id(sighting.service, signal.per, raised.name, mode),
            service=sighting.service,
            kind=signal.per,
            name=raised.name,
            action=rung.action,
            rule=Rule(signal.rule.name, signal.rule.file, signal.rule.line, mode),
            delay_ms=rung.delay_ms,
            percent=rung.percent,
            since=now,
            until=UnixMs(now + abuse.term_ms(rung, strikes, self._chance(abuse.CHANCES))),
            strikes=strikes,
            points=raised.points,
            evidence=raised.evidence,
            why=signal.name,
            actor=GATEWAY,
        )
        if self.board.put(self._with_guests(ban), now):
            self._meter.ban(rung.action.value, mode.value)
            self.on_effect(ban)

    def _with_guests(self, ban: Ban) -> Ban:
        """Who was verified from there lately is let in; not where an operator has banned it, and not what is over."""
        now = self._now()
        if ban.kind is not SubjectKind.IP or ban.rule is None or ban.action is not Action.BAN:
            return ban
        if not ban.is_in_force(now):
            return ban
        return abuse.with_guests(ban, self.guests.of(ban.name, now))

    def _touch(self, kind: SubjectKind, name: str, now: UnixMs) -> None:
        """It was there; who was not for an hour is forgotten, and of too many whoever was there longest ago."""
        active = self._active
        active[kind, name] = now
        active.move_to_end((kind, name))
        while len(active) > ACTIVE_MAX or now - next(iter(active.values())) >= _ACTIVE_MS:  # the newest always stays
            active.popitem(last=False)

    def _too_many(self, policy: AbusePolicy, now: UnixMs) -> bool:
        active = len(self._active) + len(self.guests)
        if not abuse.too_many(self.board.banned(now), active, policy.max_banned_percent):
            return False
        self._meter.ban_capped()
        if now - self._paged_at >= _PAGE_EVERY_MS:
            self._paged_at = now
            self.on_capped(active, policy.max_banned_percent)
        return True


def ban_id(service: str, kind: SubjectKind, name: str, mode: Mode) -> BanId:
    """The one row of a subject in a service: the same on every node."""
    text = f"{service}\n{kind}\n{name}\n{mode}"
    return BanId(f"ban_{hashlib.sha256(text.encode()).hexdigest()[:_ID_CHARACTERS]}")
