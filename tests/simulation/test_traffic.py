"""Over random policies and traffic, through the whole line: every limit gives out what its text says and not a token
more; cancels never starve; and nobody's rubbish raises the score, or spends the tokens, of a key that they do not hold.

What must come of it is told here by the text of the policies alone, and by playing the same traffic without strangers.
What it was seen to catch, taken out by hand: `all_or_nothing` of state/meters.py, the reserve (`spare` of
core/subjects.py), and a key banned in shadow that went on as nobody's (core/decide.py).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_network
from typing import Any, NamedTuple

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from guard.model.abuse import Action, Raised, Sighting, SubjectKind
from guard.model.bans import Bans
from guard.model.decision import DecisionEvent, Deny
from guard.model.facts import Facts
from guard.model.names import AccountId, Address, KeyId, RequestId, UnixMs
from guard.model.policy import Service
from guard.model.questions import Reading
from guard.model.reasons import TABLE
from guard.model.rules import Mode
from guard.policy.abuse import OUTCOMES, with_signals
from guard.policy.load import Loaded, load_text
from guard.service.judge import Judgement
from guard.service.rulebook import Rulebook
from guard.state.scores import MemoryScores
from tests.build import NOW, SECRET, facts, record, signal, signed
from tests.gateway import Gateway
from tests.policy_grammar import TIER, applies, policy_files, routes

_EXAMPLES = settings.get_profile("guard").max_examples
_LEASE_MS = 11_000
"""The routes' timeout, 10 s where nobody says otherwise, and one second more."""

_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "hour": 3_600_000}
_FALSE_SECRET = b"a-secret-that-is-not-that-of-the-key-0123"
_ADDRESSES = {
    "k1": ("203.0.113.1",),
    "k2": ("203.0.113.2", "2001:db8:0:1::2"),
    "k3": ("2001:db8:0:1::3",),
}
_ACCOUNTS = {"k1": "acme", "k2": "acme", "k3": "other"}
_TIERS = {"k2": TIER}
_STRANGE = ("192.0.2.66", "2001:db8:bad::1", "198.51.100.9")
_NEIGHBOURS = ("203.0.113.1", "2001:db8:0:1::99")
_KINDS = ("time", "book", "orders", "batch", "cancel")
_LIES = ("body", "forged", "unsigned", "unknown", "stale", "replay", "body", "path", "rubbish")
_EVERYTHING = frozenset(
    code
    for code in (*(row.code for row in TABLE), *(f"limit.x{number}" for number in range(4)), *OUTCOMES)
    if code != "auth.replayed" and not code.startswith("abuse.")
)
_AGAINST_HOLDERS = tuple(
    (signal(f"any-{kind}", per=kind, points=1000, mode=Mode.SHADOW), _EVERYTHING)
    for kind in (SubjectKind.KEY, SubjectKind.ACCOUNT)
)
"""What no policy can say (P402): whatever a message ends with, count it against the key that it is of. Not what a copy
of a holder's own message ends with: that is proved to be theirs, and P402 alone keeps it from counting.
"""


class Message(NamedTuple):
    """One request: how much later, in whose name, what lie it is if it is one, what for, and what its backend does."""

    later_ms: int
    key: str
    lie: str
    service: str
    kind: str
    value: int
    place: int
    told: int
    status: int
    lost: bool
    lasts: int
    times: int

    @property
    def critical(self) -> bool:
        return self.kind == "cancel"

    @property
    def holder(self) -> str | None:
        """Who is counted as its sender, if it passes: nobody on an open route."""
        return None if self.kind == "time" else self.key

    @property
    def content(self) -> bytes:
        match self.kind:
            case "orders":
                return json.dumps({"n": self.value}).encode()
            case "batch":
                return json.dumps({"orders": [{}] * (self.value % 6)}, separators=(",", ":")).encode()
            case _:
                return b""


def _messages(lies: st.SearchStrategy[str]) -> st.SearchStrategy[Message]:
    return st.builds(
        Message,
        later_ms=st.sampled_from((0, 0, 0, 0, 1, 90, 400, 1_500, 12_000, 3_700_000)),
        key=st.sampled_from(sorted(_ADDRESSES)),
        lie=lies,
        service=st.sampled_from("aaaaabc"),
        kind=st.sampled_from((*_KINDS, "orders", "cancel")),
        value=st.integers(0, 8),
        place=st.integers(0, 5),
        told=st.integers(0, 6),
        status=st.sampled_from((200, 200, 400, 503)),
        lost=st.sampled_from((False, False, False, True)),
        lasts=st.sampled_from((0, 0, 1, 4)),
        times=st.integers(1, 8),
    )


_HONEST = _messages(st.just(""))
_TRAFFIC = st.lists(_HONEST | _HONEST | _messages(st.sampled_from(_LIES)), min_size=1, max_size=16)


class Meter:
    """One bucket, quota or set of slots, by its definition: what was taken, when, and what must be left."""

    def __init__(self, part: Mapping[str, Any], holds: int | None = None) -> None:
        self.quota = "quota" in part
        self.slots = "concurrent" in part
        written = "1/1h" if self.slots else part["quota" if self.quota else "rate"]
        amount, _, period = written.partition("/")
        number = period.rstrip("abcdefghijklmnopqrstuvwxyz")
        unit = period.removeprefix(number)
        self.refill, self.period_ms = int(amount), int(number or 1) * _UNITS[unit]
        full = part["concurrent"] if self.slots else self.refill if self.quota else part["burst"]
        self.holds: int = full if holds is None else holds
        self.taken: list[tuple[int, int]] = []
        self.admissions: set[int] = set()
        """Which of them were taken to admit a message, and not settled afterwards."""
        self.leases: dict[str, int] = {}

    def left(self, now: int) -> int:
        """Whole tokens, or slots."""
        if self.slots:
            return self.holds - sum(now < end for end in self.leases.values())
        if self.quota:
            return self.holds - sum(cost for at, cost in self.taken if at // self.period_ms == now // self.period_ms)
        level, since = self.holds * self.period_ms, 0
        for at, cost in (*self.taken, (now, 0)):
            level = min(level + (at - since) * self.refill, self.holds * self.period_ms) - cost * self.period_ms
            since = at
        return level // self.period_ms

    def take(self, now: int, cost: int, holder: str) -> None:
        if self.slots:
            self.leases[holder] = now + _LEASE_MS
        else:
            self.admissions.add(len(self.taken))
            self.taken.append((now, cost))

    def assert_never_too_much(self) -> None:
        """From any moment to any admission: burst + rate × time, or what an hour's quota is. What an answer has told
        beyond that is owed (ADR 0001): nothing more is admitted before it has come back.
        """
        for first, (begun, _) in enumerate(self.taken):
            total = 0
            for number, (at, cost) in enumerate(self.taken[first:], first):
                total += cost
                if number not in self.admissions:
                    continue
                if not self.quota:
                    assert total * self.period_ms <= self.holds * self.period_ms + (at - begun) * self.refill
                elif at // self.period_ms == begun // self.period_ms:
                    assert total <= self.holds


class Asked(NamedTuple):
    """What one limit is asked for one message. `lane` is what of it critical requests have to themselves."""

    code: str
    meter: Meter
    lane: Meter
    cost: int
    spare: int
    enforced: bool
    first: bool
    settles: bool

    def fits(self, now: int) -> bool:
        return self.cost + self.spare <= self.meter.left(now)


class Limits:
    """What the limits of one service are, as its text says."""

    def __init__(self, policy: Mapping[str, Any]) -> None:
        self.policy = policy
        self.meters: dict[tuple[str, ...], tuple[Meter, Meter]] = {}
        self.keys = routes(policy["service"])

    def cost(self, message: Message) -> tuple[int, bool]:
        """What it costs at first, and whether that cannot be told."""
        told = self.route(message).get("cost", 1)
        if isinstance(told, int):
            return told, False
        if "items" in told:
            items = message.value % 6
            begun = -(-max(items, 1) // told["per"]) if items <= told["max"] else 1
            return told["base"] + told["each"] * begun, items > told["max"]
        if "steps" in told:
            costs = [cost for upto, cost in told["steps"].items() if message.value <= int(upto)]
            return (costs[0], False) if costs else (told["default"], True)
        return told["hold"], False

    def found(self, message: Message) -> int | None:
        """What its answer says that it has cost; None where that is not for the answer to say."""
        told = self.route(message).get("cost", 1)
        if isinstance(told, int) or "hold" not in told:
            return None
        if "on_success" in told:
            return int(told["on_success"]) if message.status == 200 else None
        return min(message.told, int(told["max"]))

    def route(self, message: Message) -> Mapping[str, Any]:
        part: Mapping[str, Any] = self.policy["routes"][self.keys[message.kind]]
        return part

    def asked(self, message: Message, address: str) -> list[Asked]:
        """By all that apply and are not off, in the order of the text."""
        route, found = self.route(message), []
        for name, part in self.policy["limits"].items():
            modes = {part.get("mode", "enforce"), route.get("mode", "enforce")}
            if "off" not in modes and applies(part, self.keys[message.kind], route.get("group")):
                found.append(self._asked(name, part, message, address)._replace(enforced="shadow" not in modes))
        return found

    def _asked(self, name: str, part: Mapping[str, Any], message: Message, address: str) -> Asked:
        of_account = bool({"key", "account"} & set(part["per"]))
        whole, lane = self._meters(name, part, message, address)
        by_cost = not {"cost", "count", "concurrent"} & set(part)
        cost = part.get("cost", 1) if not by_cost else self.cost(message)[0]
        if part.get("count") == "bytes":
            cost = len(message.content)
        spare = 0 if message.critical or cost == 0 else part.get("reserve", 0)
        if message.holder is None and of_account:
            cost = min(cost, whole.holds - spare)
        told = self.route(message).get("cost", 1)
        at_head = isinstance(told, int) or "query" in told
        first = "ip" in part["per"] and not of_account and part.get("count") != "bytes" and (at_head or not by_cost)
        return Asked(f"limit.{name}", whole, lane, cost, spare, enforced=True, first=first, settles=by_cost)

    def _meters(self, name: str, part: Mapping[str, Any], message: Message, address: str) -> tuple[Meter, Meter]:
        """Whose it is, and what of it critical requests have to themselves: all, where no others count."""
        tier = _TIERS.get(message.holder or "", "")
        changed = self.policy.get("tiers", {}).get(tier, {}).get(name)
        place = (name, tier if changed else "", *(self._whose(each, message, address) for each in part["per"]))
        if place not in self.meters:
            there = part if changed is None else changed
            groups = {"orders": "orders", "batch": "orders"}
            shared = any(applies(part, self.keys[kind], groups.get(kind)) for kind in _KINDS if kind != "cancel")
            self.meters[place] = Meter(there), Meter(there, part.get("reserve", 0) if shared else None)
        return self.meters[place]

    def _whose(self, dimension: str, message: Message, address: str) -> str:
        holder = message.holder
        match dimension:
            case "route":
                return f"route {message.kind}"
            case "group":
                return f"group {self.route(message).get('group', message.kind)}"
            case "service":
                return "service"
            case "key" if holder is not None:
                return f"key {holder}"
            case "account" if holder is not None:
                return f"account {_ACCOUNTS[holder]}"
            case "ip":
                return f"ip {_counted(address)}"
            case _:
                return f"anonymous {_counted(address)}"

    @property
    def open_to_all(self) -> bool:
        """Whether anybody's requests to an open route count together with everybody's."""
        parts = self.policy["limits"].values()
        return any(
            not {"ip", "key", "account"} & set(part["per"]) and applies(part, self.keys["time"], None) for part in parts
        )


def _counted(address: str) -> str:
    return str(ip_network(f"{address}/64", strict=False)) if ":" in address else address


class Scores(MemoryScores):
    """Remembers each time that the score of a key or an account was raised."""

    __slots__ = ("raised",)

    def __init__(self) -> None:
        super().__init__()
        self.raised: list[Raised] = []

    async def score(self, sightings: tuple[Sighting, ...], now: UnixMs) -> tuple[Raised, ...]:
        raised = await super().score(sightings, now)
        self.raised += [each for each in raised if each.sighting.signal.per is not SubjectKind.IP]
        return raised


class Told(NamedTuple):
    """What came of a holder's message."""

    event: DecisionEvent
    readings: tuple[Reading, ...]


class Scene:
    """One gateway, the holders of its keys, strangers, and what there must be of every limit."""

    def __init__(self, rules: Rulebook, files: Mapping[str, str], strange: Sequence[str]) -> None:
        self.scores = Scores()
        self.gateway = Gateway(rules, NOW, scores=self.scores)
        for key, account in _ACCOUNTS.items():
            holder = record(id=KeyId(key), account=AccountId(account), tier=_TIERS.get(key))
            self.gateway.keys.records[holder.id] = holder
        policies = [yaml.safe_load(text) for text in files.values()]
        self.limits = {policy["service"]: Limits(policy) for policy in policies}
        self.strange = strange
        self.told: list[Told] = []
        self.exact = True  # a throttled subject pays more than the text of its limits says
        self._captured: list[tuple[Facts, Message]] = []
        self._under_way: list[_UnderWay] = []

    def play(self, messages: Sequence[Message], *, strangers: bool) -> None:
        for number, message in enumerate(messages):
            self.gateway.now = UnixMs(self.gateway.now + message.later_ms)
            self._end(number)
            if strangers or not message.lie:
                self._send(number, message)
        self._end(len(messages) + 10)

    def _send(self, number: int, message: Message) -> None:
        places = self.strange if message.lie else _ADDRESSES[message.key]
        address = places[message.place % len(places)]
        sent, message = self._written(number, message, address)
        limits = self.limits[message.service]
        asked = limits.asked(message, address)
        self.exact = self.exact and not _throttles(self.gateway.watch.board.bans)
        judgement = self.gateway.judge(sent, message.content[:-1] + b" " if message.lie == "body" else message.content)
        code = judgement.outcome.code if isinstance(judgement.outcome, Deny) else "allow"
        taken: list[Asked] = []
        if self.exact:
            self._assert_cancels_pass(message, asked, code)
            taken = self._account(sent.request_id, message, asked, code)
        if code == "allow" and not message.lie:
            self._captured.append((sent, message))
        goes_on = code == "allow" and not message.lost and limits.found(message) is None
        self._under_way.append(
            _UnderWay(number + (message.lasts if goes_on else 0), sent, judgement, message, asked, taken)
        )
        self._end(number)

    def _end(self, number: int) -> None:
        """Conclude what is over by now."""
        over = [each for each in self._under_way if each.ends <= number]
        self._under_way = [each for each in self._under_way if each.ends > number]
        for _, sent, judgement, message, asked, taken in over:
            cost = (b"Guard-Cost", b"%d" % message.told)
            lost = message.lost and not isinstance(judgement.outcome, Deny)
            event = self.gateway.conclude(sent, judgement, status=message.status, fields=(cost,), lost=lost)
            if not isinstance(judgement.outcome, Deny):
                self._settle(message, taken)
            for each in asked:
                each.meter.leases.pop(sent.request_id, None)
                each.lane.leases.pop(sent.request_id, None)
            if not message.lie:
                self.told.append(Told(event, judgement.outcome.readings))

    def _written(self, number: int, message: Message, address: str) -> tuple[Facts, Message]:
        """The message as it arrives; and the one that it was copied from, if it says what that says."""
        now = self.gateway.now
        who = {"peer": Address(address), "received_at": now, "request_id": RequestId(f"req_{number}")}
        kinds = ("orders", "batch") if message.lie == "body" else _KINDS[1:]
        signed_ones = [each for each in self._captured if each[1].kind in kinds]
        if message.lie in ("replay", "body") and signed_ones:
            copied, was = signed_ones[-1]
            same = message._replace(service=was.service, kind=was.kind, value=was.value)
            return structs.replace(copied, **who), same
        which = _said(message) | who
        if message.lie == "path" and self._captured:
            return facts(**{**which, "fields": self._captured[-1][0].fields}), message
        if message.lie == "unsigned":
            return facts(**which), message
        nobody = message.lie == "unknown"
        written = signed(
            body=message.content,
            at=UnixMs(now - 60_000 if message.lie == "stale" else now),
            nonce=f"nonce-0123456789-{number:06d}",
            key_id=KeyId(f"nobody{number}" if nobody else message.key),
            secret=_FALSE_SECRET if message.lie not in ("", "rubbish") else SECRET,
            **which,
        )
        if message.lie == "rubbish":
            fields = tuple((name, b"AAAA" if name == b"guard-signature" else value) for name, value in written.fields)
            return facts(**{**which, "fields": fields}), message
        return written, message

    def _assert_cancels_pass(self, message: Message, asked: Sequence[Asked], code: str) -> None:
        """A holder's cancel for which there is room in every lane passes, whatever all others did; but not a ban."""
        now = self.gateway.now
        if not message.critical:
            return
        if not message.lie and all(each.cost <= each.lane.left(now) for each in asked if each.enforced):
            assert code in ("allow", "abuse.ban")

    def _account(self, holder: str, message: Message, asked: Sequence[Asked], code: str) -> list[Asked]:
        """What is decided is what there is room for. Notes what was taken; and returns what an answer may change."""
        now = self.gateway.now
        first, rest = [each for each in asked if each.first], [each for each in asked if not each.first]
        short = _short(first, now)
        if not code.startswith("abuse."):
            assert code in short if short else code not in {each.code for each in first}
        begun = [] if short else _take(first, now, holder, message)
        if message.lie and message.kind != "time":
            assert code in short or code.startswith(("abuse.", "auth.", "request.")), (code, message)
            return []
        if short or code.startswith("abuse."):
            return []
        short = _short(rest, now)
        if short:
            assert code in short, (code, message, [(each, each.meter.left(now), each.meter.taken) for each in asked])
            return []
        if self.limits[message.service].cost(message)[1]:
            assert code.startswith("request.")
        else:
            assert code == "allow", (code, message, [(each, each.meter.left(now), each.meter.taken) for each in asked])
        taken = _take(rest, now, holder, message)
        for each in (*begun, *taken):
            each.meter.assert_never_too_much()
        return taken

    def _settle(self, message: Message, taken: Iterable[Asked]) -> None:
        """What was given back after the answer, or taken more."""
        now, found = self.gateway.now, self.limits[message.service].found(message)
        for each in taken:
            if each.meter.slots:
                continue
            if message.lost:
                each.meter.taken.append((now, -each.cost))
            elif found is not None and each.settles:
                each.meter.taken.append((now, found - each.cost))
                each.lane.taken.append((now, max(found - each.cost, 0)))


class _UnderWay(NamedTuple):
    """A message that was judged and is not concluded yet."""

    ends: int
    sent: Facts
    judgement: Judgement
    message: Message
    asked: list[Asked]
    taken: list[Asked]


def _said(message: Message) -> dict[str, Any]:
    """Verb, path, query and what else a message says before it is signed."""
    verb = {"time": "GET", "book": "GET", "cancel": "DELETE"}.get(message.kind, "POST")
    path = routes(message.service)[message.kind].split(" ")[1].replace("{id}", "1").encode()
    query = {"query": b"limit=%d" % message.value} if verb == "GET" else {}
    fields = {"fields": ((b"content-type", b"application/json"),)} if message.content else {}
    return {"verb": verb, "path": path, **query, **fields}


def _short(asked: Iterable[Asked], now: int) -> set[str]:
    return {each.code for each in asked if each.enforced and not each.fits(now)}


def _take(asked: Iterable[Asked], now: int, holder: str, message: Message) -> list[Asked]:
    """From each limit that is enforced, and from each in shadow that has so much."""
    taken = [each for each in asked if each.enforced or each.fits(now)]
    for each in taken:
        each.meter.take(now, each.cost, holder)
        if message.critical:
            each.lane.take(now, each.cost, holder)
    return taken


def _throttles(bans: Bans) -> bool:
    tables = (bans.addresses, bans.keys, bans.accounts)
    effects = [effect for table in tables for each in table.values() for effect in each]
    return any(effect.action is Action.THROTTLE and not effect.is_shadow for effect in effects)


def _rules(files: Mapping[str, str]) -> Rulebook:
    loaded = load_text(files)
    assert isinstance(loaded, Loaded), loaded
    services = tuple(_against_holders(each) for each in loaded.policies.services)
    return Rulebook(policies=structs.replace(loaded.policies, services=services), schemes=loaded.schemes)


def _against_holders(service: Service) -> Service:
    """The same, watching for everything that ever happens, so that no stranger's failure is missed."""
    if service.abuse is None:
        return service
    return structs.replace(service, abuse=with_signals(service.abuse, (*service.abuse.signals, *_AGAINST_HOLDERS)))


def _among(files: Mapping[str, str], traffic: Iterable[Message]) -> list[Message]:
    """The same traffic, for services that there are; what is sent several times is, one directly after the other."""
    there = [each if f"{each.service}.yaml" in files else each._replace(service="a") for each in traffic]
    return [each._replace(later_ms=0 if again else each.later_ms) for each in there for again in range(each.times)]


@settings(max_examples=_EXAMPLES)
@given(policy_files(), _TRAFFIC, st.booleans())
def test_every_limit_gives_out_what_it_says_and_cancels_never_starve(
    files: dict[str, str],
    traffic: list[Message],
    neighbours: bool,  # noqa: FBT001  # drawn
) -> None:
    """Nothing is refused either but for want of what the text promises: a denial has taken nothing."""
    scene = Scene(_rules(files), files, (*_STRANGE, *_NEIGHBOURS) if neighbours else _STRANGE)
    scene.play(_among(files, traffic), strangers=True)


@settings(max_examples=_EXAMPLES)
@given(policy_files(), _TRAFFIC)
def test_nobodys_rubbish_changes_anything_for_a_key_that_they_do_not_hold(
    files: dict[str, str], traffic: list[Message]
) -> None:
    """Played twice, once without strangers: each decision about a holder, each token that is left and each point of a
    score is the same, where strangers share neither an address nor a limit of everybody's with them.
    """
    rules = _rules(files)
    beside, alone = Scene(rules, files, _STRANGE), Scene(rules, files, _STRANGE)
    shared = {name for name, limits in beside.limits.items() if limits.open_to_all}
    messages = [
        each for each in _among(files, traffic) if not (each.lie and each.kind == "time" and each.service in shared)
    ]
    messages += [
        Message(0, key, "", name, kind, *(0,) * 3, 200, lost=False, lasts=0, times=1)
        for name in beside.limits
        for key in _ADDRESSES
        for kind in _KINDS
    ]
    beside.play(messages, strangers=True)
    rubbish = {f"req_{number}" for number, each in enumerate(messages) if each.lie}
    assert not [each for each in beside.scores.raised if each.sighting.request_id in rubbish]
    alone.play(messages, strangers=False)
    assert beside.told == alone.told
    assert beside.scores.raised == alone.scores.raised
