"""From what a message was evidence of to what is in force: the whole line for abuse, on a clock that tests turn."""

import asyncio
import hmac
from asyncio import Future
from collections.abc import Mapping
from typing import Any

import pytest
from msgspec import structs

from guard.core.stages import Allow
from guard.model.abuse import AbusePolicy, Action, Distinct, Raised, Sighting, Signal, SubjectKind
from guard.model.bans import NO_BANS, BanId
from guard.model.decision import Deny
from guard.model.facts import Body, BodyRead, Facts
from guard.model.keys import KeyRecord
from guard.model.names import Address, KeyId, RequestId, UnixMs
from guard.model.policy import ClientAddressPolicy, Route
from guard.model.questions import Charge, Receipt
from guard.model.rules import Mode
from guard.service import watch as module
from guard.service.judge import Judge, Judgement
from guard.service.patience import Patience
from guard.service.rulebook import Rulebook, Rules
from guard.service.watch import Watch
from guard.state.ban_board import BanBoard
from guard.state.ban_table import KEPT_MS
from guard.state.memory import MemoryLimits
from guard.state.scores import MemoryScores
from guard.telemetry.meter import Meter
from tests.build import (
    KEY_ID,
    NOW,
    SECRET,
    abuse,
    auth,
    ban,
    facts,
    limit,
    policies,
    record,
    route,
    rule,
    scheme,
    service,
    signal,
    signed,
)
from tests.directory import Keys
from tests.line import SCHEMES

_ADDRESS = signed().peer
_STRANGERS_SECRET = b"a-secret-that-is-not-that-of-the-key-0123"
_FORGERY: Mapping[str, tuple[Signal, ...]] = {"auth.bad_signature": (signal("forgery", points=40),)}


class Line:
    """A judge and a watch over it. Each message is concluded as if the backend had answered with `status`."""

    def __init__(
        self,
        policy: AbusePolicy,
        *,
        meter: Meter | None = None,
        scores: MemoryScores | None = None,
        key: KeyRecord | None = None,
        **changes: Any,
    ) -> None:
        self.now = NOW
        order = route(limits_principal=(limit(capacity=1000),))
        self.policies = policies(service(order, abuse=policy, **changes))
        self.meter = meter or Meter()
        self.scores = scores or MemoryScores()
        self.key = key or record()
        self.watch = self._watch()
        self.limits = MemoryLimits(UnixMs(NOW - 1_000_000))
        self.judge = self.judging(Patience())
        self._sent = 0

    def judging(self, patience: Patience, store: MemoryLimits | None = None) -> Judge:
        return Judge(
            Rules(Rulebook(self.policies, SCHEMES)),
            Keys(self.key),
            store or self.limits,
            lambda: self.now,
            board=self.watch.board,
            patience=patience,
        )

    async def send(self, message: Facts, *, status: int = 200, upstream_us: int = 100, body: bytes = b"") -> Judgement:
        async def read(_: object) -> Body:
            return BodyRead(body)

        judgement = await self.judge.judge(message, read)
        self.watch.saw(message, judgement, status, None, upstream_us)
        return judgement

    async def code(self, message: Facts, *, status: int = 200, body: bytes = b"") -> str:
        outcome = (await self.send(message, status=status, body=body)).outcome
        return outcome.code if isinstance(outcome, Deny) else "allow"

    async def order(self, **changes: Any) -> str:
        """A good order of the key's holder."""
        return await self.code(self.good(**changes))

    def good(self, **changes: Any) -> Facts:
        self._sent += 1
        return signed(at=self.now, nonce=f"nonce-0123456789-{self._sent:08d}", **changes)

    def forged(self, **changes: Any) -> Facts:
        return self.good(secret=_STRANGERS_SECRET, **changes)

    def _watch(self) -> Watch:
        return Watch(
            lambda: self.policies, self.scores, BanBoard(), lambda: self.now, chance=lambda _: 0, meter=self.meter
        )


async def _nothing(_: object) -> Body:
    return BodyRead(b"")


async def test_nothing_is_in_force_for_who_does_nothing_wrong() -> None:
    line = Line(abuse(_FORGERY))
    assert [await line.order() for _ in range(50)] == ["allow"] * 50
    assert line.watch.board.bans is NO_BANS


async def test_a_score_climbs_the_ladder_and_the_next_message_is_judged_by_it() -> None:
    line = Line(abuse(_FORGERY))
    actions = []
    for _ in range(2):
        await line.send(line.forged())
        [[effect]] = line.watch.board.bans.addresses.values()
        actions.append(effect.action)
    assert actions == [Action.THROTTLE, Action.BAN]
    assert await line.code(line.forged()) == "abuse.ban"


async def test_a_ban_ends_by_itself_and_the_next_is_longer() -> None:
    line = Line(abuse({"auth.bad_signature": (signal("forgery", points=80),)}))
    terms = []
    for _ in range(4):
        assert await line.code(line.forged()) == "auth.bad_signature"
        assert await line.code(line.forged()) == "abuse.ban"
        [[effect]] = line.watch.board.bans.addresses.values()
        terms.append(effect.until - effect.since)
        line.now = effect.until
    assert terms == [108_000, 540_000, 3_240_000, 3_240_000]


def test_a_ban_is_longer_than_the_one_before_also_if_what_came_between_only_made_wait() -> None:
    big, small = signal("big", points=80), signal("small", points=20)
    line = Line(abuse({"request.timeout": (big,), "request.malformed": (small,)}))
    found = []
    for code in ("request.timeout", "request.malformed") * 3:
        line.watch.refused("192.0.2.1", code, RequestId("req_1"))
        [[effect]] = line.watch.board.bans.addresses.values()
        found.append((effect.action, effect.until - effect.since))
        line.now = UnixMs(effect.until + 3 * 3_600_000)
        line.watch.board.sweep(line.now, KEPT_MS)
    slow = (Action.SLOW, 54_000)
    assert found == [(Action.BAN, 108_000), slow, (Action.BAN, 540_000), slow, (Action.BAN, 3_240_000), slow]


async def test_in_shadow_the_same_is_recorded_and_nobody_is_stopped() -> None:
    shadow = {"auth.bad_signature": (signal("forgery", points=80, mode=Mode.SHADOW),)}
    line = Line(abuse(shadow, rule=rule("abuse", Mode.SHADOW)))
    await line.send(line.forged())
    judgement = await line.send(line.good())
    assert isinstance(judgement.outcome, Allow)
    assert [deny.code for deny in judgement.outcome.shadow] == ["abuse.ban"]
    [[effect]] = line.watch.board.bans.addresses.values()
    assert effect.is_shadow


async def test_a_signal_in_shadow_beside_enforced_ones_tries_what_it_would_add() -> None:
    watched = {
        "auth.bad_signature": (signal("forgery", points=20),),
        "auth.missing": (signal("unsigned", points=70, mode=Mode.SHADOW),),
    }
    line = Line(abuse(watched, tries=True))
    await line.send(line.forged())
    await line.send(facts())
    found = {
        (effect.action, effect.is_shadow) for [*each] in line.watch.board.bans.addresses.values() for effect in each
    }
    assert found == {(Action.SLOW, False), (Action.BAN, True)}


async def test_evidence_says_which_signals_and_which_requests() -> None:
    line = Line(abuse(_FORGERY))
    for name in ("req_a", "req_b"):
        await line.send(line.forged(request_id=RequestId(name)))
    [[effect]] = line.watch.board.bans.addresses.values()
    assert effect.evidence is not None
    assert (effect.evidence.signals, effect.evidence.requests) == ({"forgery": 2}, ("req_a", "req_b"))
    assert (effect.points, effect.why, effect.actor, str(effect.rule)) == (
        80,
        "forgery",
        "gateway",
        "abuse.forgery (test.yaml:1)",
    )


async def test_answers_of_the_backend_count_by_their_status_and_by_how_long_they_took() -> None:
    watched = {
        "outcome.5xx": (signal("errors", per=SubjectKind.KEY, points=20),),
        "outcome.2xx": (signal("slow", per=SubjectKind.ACCOUNT, points=20, slower_than_ms=1000),),
    }
    line = Line(abuse(watched))
    await line.send(line.good(), status=503)
    await line.send(line.good(), upstream_us=999_000)
    assert (set(line.watch.board.bans.keys), set(line.watch.board.bans.accounts)) == ({KEY_ID}, set())
    await line.send(line.good(), upstream_us=1_000_000)
    assert set(line.watch.board.bans.accounts) == {"acme"}


async def test_what_no_policy_has_a_route_for_counts_against_the_address_in_each_service_that_watches() -> None:
    line = Line(abuse({"route.unknown": (signal("probing", points=80),)}))
    await line.send(facts(path=b"/wp-login.php"))
    assert set(line.watch.board.bans.addresses) == {_ADDRESS}


async def test_a_trusted_proxy_is_not_banned_for_its_clients() -> None:
    behind = ClientAddressPolicy(rule=rule("client_ip"), trust=(_ADDRESS,))
    line = Line(abuse({"route.unknown": (signal("probing", points=80),)}), client_ip=behind)
    await line.send(facts(path=b"/wp-login.php"))
    assert line.watch.board.bans is NO_BANS
    client = ((b"x-forwarded-for", b"198.51.100.7"),)
    await line.send(facts(path=b"/wp-login.php", fields=client))
    assert set(line.watch.board.bans.addresses) == {"198.51.100.7"}


async def test_what_the_listener_refused_counts_too_and_only_where_it_is_watched_for() -> None:
    line = Line(abuse({"request.timeout": (signal("slow-clients", points=80),)}))
    line.watch.refused("198.51.100.7", "request.malformed", RequestId("req_1"))
    line.watch.refused("", "request.timeout", RequestId("req_1"))
    assert line.watch.board.bans is NO_BANS
    line.watch.refused("198.51.100.7", "request.timeout", RequestId("req_1"))
    assert set(line.watch.board.bans.addresses) == {"198.51.100.7"}


async def test_a_key_that_was_verified_from_a_banned_address_keeps_its_way_in_and_no_stranger_does() -> None:
    line = Line(abuse(_FORGERY))
    assert await line.order() == "allow"
    for _ in range(2):
        await line.send(line.forged(key_id=KeyId("gk_unknown")))
        await line.send(line.forged())
    assert await line.code(line.forged(key_id=KeyId("gk_unknown"))) == "abuse.ban"
    assert await line.order() == "allow"


async def test_a_ban_that_another_node_made_lets_in_whom_this_one_knows() -> None:
    line = Line(abuse(_FORGERY))
    await line.order()
    line.watch.heard((ban(name=_ADDRESS, revision=1),))
    assert await line.order() == "allow"
    line.watch.heard((ban(name=_ADDRESS, revision=2, rule=None),))
    assert await line.order() == "abuse.ban"


async def test_guests_are_looked_up_only_for_what_is_in_force() -> None:
    line = Line(abuse(_FORGERY))
    await line.order()
    over = ban(id=BanId("ban_over"), name=_ADDRESS, revision=1, until=NOW)
    lifted = ban(id=BanId("ban_lifted"), name=_ADDRESS, revision=1, lifted_at=NOW)
    line.watch.heard((over, lifted))
    assert [line.watch.board.of(each.id) for each in (over, lifted)] == [over, lifted]


async def test_what_was_lifted_is_not_back_with_the_next_event() -> None:
    line = Line(abuse(_FORGERY))
    for _ in range(2):
        await line.send(line.forged())
    [[effect]] = line.watch.board.bans.addresses.values()
    line.watch.heard((ban(id=effect.id, name=_ADDRESS, revision=1, lifted_at=NOW),))
    assert line.watch.board.bans is NO_BANS
    await line.send(line.forged())
    [[again]] = line.watch.board.bans.addresses.values()
    assert again.action is Action.THROTTLE


class _Deaf(MemoryScores):
    """Does not answer for so long."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times
        self.told: list[tuple[str, UnixMs]] = []

    async def forget(self, kind: SubjectKind, name: str, before: UnixMs) -> bool:
        assert kind is SubjectKind.IP
        self.told.append((name, before))
        return len(self.told) > self.times


async def test_what_was_lifted_is_told_to_shared_scores_until_they_answer() -> None:
    line, scores = Line(abuse(_FORGERY)), _Deaf(2)
    at = lambda: line.policies, scores, BanBoard(), lambda: line.now
    watch = Watch(*at, chance=lambda _: 0, meter=line.meter, waits=True)
    watch.heard(tuple(ban(id=BanId(name), name=name, revision=1, lifted_at=NOW) for name in ("192.0.2.1", "192.0.2.2")))
    for _ in range(5):
        await watch.drain()
    assert scores.told == [("192.0.2.1", NOW)] * 3 + [("192.0.2.2", NOW)]


async def test_above_the_share_that_may_be_banned_bans_are_recorded_only_and_somebody_is_called() -> None:
    meter = Meter()
    line = Line(abuse({"auth.bad_signature": (signal("forgery", points=80),)}), meter=meter)
    called: list[tuple[int, int]] = []
    line.watch.on_capped = lambda *told: called.append(told)
    for last in range(1, 13):
        await line.send(line.forged(peer=Address(f"198.51.100.{last}")))
    modes = [effect.is_shadow for [effect] in line.watch.board.bans.addresses.values()]
    assert modes == [False] * 10 + [True] * 2
    assert called == [(11, 5)], "once, however many follow"
    assert meter.tally().counts["guard_bans_capped_total",] == 2
    assert await line.code(line.forged(peer=Address("198.51.100.12"))) == "auth.bad_signature"


async def test_what_may_only_be_recorded_is_recorded_once_and_not_with_each_further_event() -> None:
    line = Line(abuse({"auth.bad_signature": (signal("forgery", points=80),)}))
    for last in range(1, 12):
        await line.send(line.forged(peer=Address(f"198.51.100.{last}")))
    line.watch.board.pending()
    for _ in range(3):
        await line.send(line.forged(peer=Address("198.51.100.11")))
    [recorded] = line.watch.board.bans.addresses["198.51.100.11"]
    assert (recorded.is_shadow, recorded.strikes, line.watch.board.pending()) == (True, 1, ())


async def test_the_share_is_drawn_of_those_who_were_there_within_the_hour_and_of_so_many_at_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "ACTIVE_MAX", 12)
    line = Line(abuse({"auth.bad_signature": (signal("forgery", points=80),)}))
    called: list[int] = []
    line.watch.on_capped = lambda active, _percent: called.append(active)
    for last in range(1, 31):
        await line.send(line.forged(peer=Address(f"198.51.100.{last}")))
        line.now = UnixMs(line.now + 1000)
    assert called == [11, 12]
    line.now = UnixMs(line.now + 3_600_000 - 2000)  # one was there within the hour before, and one is now
    line.watch._touch(SubjectKind.IP, "198.51.100.99", line.now)
    assert len(line.watch._active) == 2  # nothing else tells while so few are banned


async def test_more_than_a_node_can_hold_until_scores_answer_is_lost_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PENDING_MAX", 2)
    meter = Meter()
    line = Line(abuse(_FORGERY), meter=meter)
    at = lambda: line.policies, line.scores, BanBoard(), lambda: line.now
    line.watch = Watch(*at, chance=lambda _: 0, meter=meter, waits=True)
    for _ in range(5):
        await line.send(line.forged())
    await line.watch.drain()
    counts = meter.tally().counts
    assert (counts["guard_abuse_signals_total", "exchange", "forgery"], counts["guard_abuse_lost_total",]) == (2, 3)


async def test_what_fires_and_what_follows_is_counted() -> None:
    meter = Meter()
    line = Line(abuse(_FORGERY), meter=meter)
    await line.send(line.forged())
    counts = meter.tally().counts
    assert counts["guard_abuse_signals_total", "exchange", "forgery"] == 1
    assert counts["guard_bans_total", "throttle", "enforce"] == 1


async def test_a_service_without_the_section_is_not_watched_at_all() -> None:
    line = Line(abuse())
    line.policies = policies(service())
    line.judge.rules.put(Rulebook(line.policies, SCHEMES))
    await line.send(line.forged())
    await line.order()
    assert (line.scores.tracked, len(line.watch.guests)) == (0, 0)


async def test_with_shared_scores_nothing_is_counted_before_it_is_drained() -> None:
    line = Line(abuse(_FORGERY))
    line.watch = Watch(
        lambda: line.policies,
        line.scores,
        BanBoard(),
        lambda: line.now,
        chance=lambda _: 0,
        meter=line.meter,
        waits=True,
    )
    await line.send(line.forged())
    assert line.scores.tracked == 0
    await line.watch.drain()
    assert line.watch.board.bans is not NO_BANS


class Waiting(Patience):
    """Tells who waited, and how long, and waits for nobody."""

    __slots__ = ("waited",)

    def __init__(self) -> None:
        super().__init__(sleepers_max=1)
        self.waited: list[int] = []

    async def wait(self, delay_ms: int) -> None:
        self.waited.append(delay_ms)


@pytest.mark.parametrize(("kind", "name"), [(SubjectKind.IP, _ADDRESS), (SubjectKind.KEY, KEY_ID)])
async def test_who_is_slowed_waits_before_anything_is_charged_and_goes_on(kind: SubjectKind, name: str) -> None:
    line, patience = Line(abuse()), Waiting()
    line.judge = line.judging(patience)
    assert (await line.order(), patience.waited, line.judge.may_wait) == ("allow", [], False)
    line.watch.board.put(ban(kind, name, action=Action.SLOW, delay_ms=250), NOW)
    assert (await line.order(), patience.waited, line.judge.may_wait) == ("allow", [250], True)


@pytest.mark.parametrize(
    ("kind", "name", "burnt"), [(SubjectKind.IP, _ADDRESS, False), (SubjectKind.KEY, KEY_ID, True)]
)
async def test_who_is_slowed_and_finds_the_room_full_is_refused(kind: SubjectKind, name: str, *, burnt: bool) -> None:
    """Whose key was proved has to sign again: what was refused may not be executed later by who captured it."""
    line = Line(abuse())
    line.policies = policies(service(route("POST", "/v1/orders"), abuse=abuse()))
    line.judge = line.judging(Patience(sleepers_max=0))
    line.watch.board.put(ban(kind, name, action=Action.SLOW, delay_ms=250), NOW)
    message = signed("POST", b"/v1/orders")
    assert await line.code(message) == "abuse.slow"
    line.judge = line.judging(Waiting())
    again = structs.replace(message, request_id=RequestId("req_2"))
    assert await line.code(again) == ("auth.replayed" if burnt else "allow")


async def test_who_is_throttled_runs_out_of_tokens_sooner() -> None:
    line = Line(abuse())
    line.watch.board.put(ban(SubjectKind.KEY, KEY_ID, action=Action.THROTTLE, percent=1), NOW)
    outcome = (await line.send(line.good())).outcome
    assert isinstance(outcome, Allow)
    assert [reading.remaining for reading in outcome.readings] == [900]


async def test_a_body_is_not_read_of_who_is_banned() -> None:
    line = Line(abuse())
    line.watch.board.put(ban(name=_ADDRESS), NOW)

    async def unread(_: object) -> Body:
        raise AssertionError

    judgement = await line.judge.judge(line.good(body=b"{}"), unread)
    assert isinstance(judgement.outcome, Deny)
    assert judgement.outcome.code == "abuse.ban"


class _Asked(MemoryScores):
    """Scores that keep what they were asked."""

    def __init__(self) -> None:
        super().__init__()
        self.values: list[str] = []
        self.signals: list[str] = []
        self.fired = 0

    async def score(self, sightings: tuple[Sighting, ...], now: UnixMs) -> tuple[Raised, ...]:
        self.values += [sighting.value for sighting in sightings]
        self.signals += [sighting.signal.name for sighting in sightings]
        raised = await super().score(sightings, now)
        self.fired += len(raised)
        return raised


async def test_a_value_that_was_just_counted_asks_nothing_of_the_scores_until_the_signal_has_fired() -> None:
    networks = signal("sharing", per=SubjectKind.KEY, distinct=Distinct.NETWORK, over_ms=60_000, at_least=2, points=1)
    scores = _Asked()
    line = Line(abuse({"outcome.2xx": (networks,)}), scores=scores)
    for _ in range(10):
        await line.order()
    assert scores.values == ["192.0.2.0/24"]
    for peer in ("198.51.100.1", "192.0.2.1", "198.51.100.1"):  # the first of them makes it fire
        await line.order(peer=Address(peer))
    assert scores.fired == 2


async def test_a_captured_message_that_was_refused_counts_to_its_holder_once() -> None:
    """A stranger who sends it again from elsewhere scores the address that it comes from, and nobody's key."""
    bounds = signal("bounds", per=SubjectKind.KEY, points=1)
    strangers = signal("strangers", per=SubjectKind.IP, points=1)
    scores = _Asked()
    line = Line(abuse({"authz.ip": (bounds, strangers)}), scores=scores, key=record(networks=("192.0.2.0/24",)))
    captured = line.good(peer=Address("198.51.100.1"))
    assert [await line.code(captured) for _ in range(4)] == ["authz.ip"] * 4
    assert scores.signals == ["bounds", "strangers", "strangers", "strangers", "strangers"]
    assert await line.code(line.good(peer=Address("198.51.100.1"))) == "authz.ip"
    assert scores.signals[-2:] == ["bounds", "strangers"]


async def test_a_message_that_was_admitted_counts_to_nobody_when_it_comes_again_from_elsewhere() -> None:
    outside = abuse({"authz.ip": (signal("outside", per=SubjectKind.KEY, points=80),)}, heeds_refusals=True)
    line = Line(outside, key=record(networks=("192.0.2.0/24",)))
    order = line.good()
    assert await line.code(order) == "allow"
    elsewhere = Address("198.51.100.1")
    assert await line.code(structs.replace(order, peer=elsewhere)) == "authz.ip"
    assert line.watch.board.bans is NO_BANS
    assert await line.order(peer=elsewhere) == "authz.ip"
    assert line.watch.board.bans is not NO_BANS, "its holder has sent that one from there"


async def test_a_copy_that_comes_while_its_message_is_answered_hides_it_from_no_signal() -> None:
    events = {"authz.ip": (signal("outside", per=SubjectKind.KEY),), "auth.replayed": (signal("replays"),)}
    line = Line(
        abuse({**events, "outcome.2xx": (signal("loud", per=SubjectKind.KEY, points=80),)}, heeds_refusals=True)
    )
    order = line.good()
    judgement = await line.judge.judge(order, _nothing)
    copy = structs.replace(order, peer=Address("198.51.100.1"), request_id=RequestId("req_copy"))
    assert await line.code(copy) == "auth.replayed"
    line.watch.saw(order, judgement, 200, None, 100)
    assert set(line.watch.board.bans.keys) == {KEY_ID}


def _watched_by_binance(order: Route, policy: AbusePolicy) -> Line:
    line = Line(policy)
    order = structs.replace(order, auth=auth("binance"), limits_principal=(limit(capacity=1000),))
    line.policies = policies(service(order, abuse=policy, credentials=scheme("binance").credential_fields))
    line.judge = line.judging(Patience())
    return line


def _binance(parameters: bytes, *, loud: bool = False) -> bytes:
    signature = hmac.digest(SECRET, parameters, "sha256").hex()
    return parameters + b"&signature=" + (signature.upper() if loud else signature).encode()


async def test_a_captured_message_is_no_other_by_being_spelled_otherwise() -> None:
    sharing = signal("sharing", per=SubjectKind.KEY, points=80, over_ms=60_000, at_least=2, distinct=Distinct.NETWORK)
    line = _watched_by_binance(route("GET", "/v1/account"), abuse({"outcome.2xx": (sharing,)}))
    for number, loud in enumerate((False, True)):
        captured = facts(
            "GET",
            b"/v1/account",
            query=_binance(b"symbol=X&timestamp=%d" % NOW, loud=loud),
            fields=((b"x-mbx-apikey", KEY_ID.encode()),),
            body=b"",
            peer=Address(f"203.0.{number}.7"),
        )
        assert await line.code(captured) == "allow"
    assert line.watch.board.bans is NO_BANS


@pytest.mark.parametrize("at_hand", [True, False])
async def test_messages_count_one_by_one_also_where_their_bodies_come_after_their_heads(at_hand: bool) -> None:  # noqa: FBT001
    loud = signal("loud", per=SubjectKind.KEY, points=80, over_ms=60_000, at_least=3)
    line = _watched_by_binance(route("POST", "/v1/orders"), abuse({"outcome.2xx": (loud,)}))
    codes = []
    for number in range(4):
        body = _binance(b"symbol=X&n=%d&timestamp=%d" % (number, NOW))
        order = facts(
            "POST",
            b"/v1/orders",
            fields=((b"x-mbx-apikey", KEY_ID.encode()), (b"content-type", b"application/x-www-form-urlencoded")),
            body=body if at_hand else None,
            body_bytes_announced=len(body),
        )
        codes.append(await line.code(order, body=body))
    assert codes == ["allow"] * 3 + ["abuse.ban"]


class _Late(MemoryLimits):
    """Answers for an address when the next question is answered, as a shared store does."""

    __slots__ = ()

    def ask(self, charge: Charge) -> "Future[Receipt]":  # type: ignore[override]  # a store that is shared
        answer: Future[Receipt] = asyncio.get_running_loop().create_future()
        answer.set_result(super().ask(charge))
        return answer

    async def charge(self, charge: Charge) -> Receipt:
        return super().ask(charge)


@pytest.mark.parametrize("store", [MemoryLimits, _Late])
async def test_what_others_took_of_an_addresss_room_counts_to_nobodys_key(store: type[MemoryLimits]) -> None:
    ignoring = signal("ignoring", per=SubjectKind.KEY, points=80, over_ms=60_000, at_least=2)
    line = Line(abuse({"limit.nat": (ignoring,)}))
    crowded = route(limits_address=(limit("nat", capacity=5, per=("ip",)),), limits_principal=(limit(capacity=1000),))
    line.policies = policies(service(crowded, abuse=line.policies.services[0].abuse))
    line.judge = line.judging(Patience(), store(UnixMs(NOW - 1_000_000)))
    for number in range(10):
        await line.send(facts(request_id=RequestId(f"req_stranger_{number}")))
    orders = [await line.order(request_id=RequestId(f"req_{number}")) for number in range(5)]
    assert orders == ["limit.nat"] * 5
    assert line.watch.board.bans is NO_BANS


async def test_a_value_on_a_route_that_a_signal_does_not_watch_hides_none_on_one_that_it_does() -> None:
    elsewhere = signal(
        "sharing",
        per=SubjectKind.KEY,
        distinct=Distinct.NETWORK,
        over_ms=60_000,
        at_least=2,
        routes=frozenset({"GET /v1/orders"}),
    )
    scores = _Asked()
    line = Line(abuse({"outcome.2xx": (elsewhere,)}), scores=scores)
    await line.order()
    assert scores.values == []
    there = structs.replace(elsewhere, routes=None)  # a moment later the same watch sees it
    line.policies = policies(service(route(), abuse=abuse({"outcome.2xx": (there,)})))
    line.judge = line.judging(Patience())
    await line.order()
    assert scores.values == ["192.0.2.0/24"]
