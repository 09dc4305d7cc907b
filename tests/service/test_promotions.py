"""A rule that a reload has made earnest is watched for a while, and only proof counts against it."""

from typing import Any

import pytest

from guard.model.facts import Body, BodyRead, Facts
from guard.model.names import AccountId, Address, KeyId, RequestId, UnixMs
from guard.model.policy import ClientAddressPolicy, Limit, PolicySet
from guard.model.rules import Mode
from guard.service import promotions as module
from guard.service.judge import Judge, Judgement
from guard.service.promotions import Promotions
from guard.service.rulebook import Rulebook, Rules
from guard.state.memory import MemoryLimits
from tests.build import NOW, limit, policies, record, route, rule, service, signed
from tests.directory import Keys
from tests.line import SCHEMES

_WATCH_MS = 900_000


def _policies(mode: Mode, *, per: str = "key", percent: int = 10, capacity: int = 1, deny: str = "") -> PolicySet:
    """One limit, with one token for each unless said otherwise, and networks that are denied."""
    held: Limit = limit("weight", capacity=capacity, per=(per,), mode=mode)
    by_address: dict[str, Any] = {"limits_address": (held,)} if per == "ip" else {"limits_principal": (held,)}
    client_ip = ClientAddressPolicy(rule=rule("client_ip", mode), deny=(deny,) if deny else ())
    return policies(service(route(**by_address), client_ip=client_ip, promotion_percent=percent))


class _Gateway:
    """One process: a judge, and the watch over it. Key number N is that of account N, and comes from 192.0.2.N."""

    def __init__(self, before: PolicySet) -> None:
        self.now = NOW
        self.promotions = Promotions(before, lambda: self.now)
        self.rules = Rules(Rulebook(before, SCHEMES))
        self.rules.changed = self.promotions.changed
        keys = Keys(*(record(**_named(number)) for number in range(1, 200)))
        self.judge = Judge(self.rules, keys, MemoryLimits(UnixMs(NOW - 1_000_000)), lambda: self.now)
        self._sent = 0

    def reload(self, after: PolicySet) -> None:
        self.rules.put(Rulebook(after, SCHEMES))

    async def send(self, number: int, times: int = 1, *, address: str = "", **changes: Any) -> str:
        """The last answer."""
        for _ in range(times):
            self._sent += 1
            nonce = f"nonce-0123456789-{self._sent:08d}"
            key = KeyId(f"gk_{number}")
            peer, request_id = Address(address or f"192.0.2.{number}"), RequestId(f"req_{self._sent}")
            sent: Facts = signed(key_id=key, at=self.now, nonce=nonce, peer=peer, request_id=request_id, **changes)
            judgement: Judgement = await self.judge.judge(sent, _body)
            if self.promotions.listening:
                self.promotions.saw(judgement)
        return getattr(judgement.outcome, "code", "allow")

    async def all(self, count: int, times: int = 1) -> None:
        for number in range(1, count + 1):
            await self.send(number, times)

    @property
    def excessive(self) -> list[tuple[str, str, int, int]]:
        return [(each.service, each.rule, len(each.denied), len(each.active)) for each in self.promotions.excessive()]


def _named(number: int) -> dict[str, Any]:
    key = KeyId(f"gk_{number}")
    return {"id": key, "lineage": key, "account": AccountId(f"account-{number}")}


async def _body(_: object) -> Body:
    return BodyRead(b"")


def _promoted(**how: Any) -> _Gateway:
    gateway = _Gateway(_policies(Mode.SHADOW, **how))
    gateway.reload(_policies(Mode.ENFORCE, **how))
    return gateway


async def test_a_rule_that_denies_more_keys_than_its_policy_allows_is_to_go_back() -> None:
    """Of 30 keys a tenth may be denied: three are not too many, four are."""
    gateway = _promoted()
    await gateway.all(30)
    for number in (1, 2, 3):
        assert await gateway.send(number) == "limit.weight"
    assert gateway.excessive == []
    await gateway.send(4)
    assert gateway.excessive == [("exchange", "limits.weight", 4, 30)]


async def test_a_rule_that_was_enforced_all_along_is_not_watched_and_costs_nothing() -> None:
    gateway = _Gateway(_policies(Mode.ENFORCE))
    gateway.reload(_policies(Mode.ENFORCE))
    assert not gateway.promotions.listening
    await gateway.all(30, times=2)
    assert gateway.excessive == []


async def test_a_key_that_is_denied_often_counts_once() -> None:
    gateway = _promoted()
    await gateway.all(30)
    await gateway.send(1, times=50)
    assert gateway.excessive == []
    assert len(gateway.promotions._places["exchange"].trials[0].denied) == 1  # nothing else tells


async def test_of_few_keys_no_share_is_drawn() -> None:
    gateway = _promoted()
    await gateway.all(19, times=2)
    assert gateway.excessive == []
    await gateway.send(20)
    assert gateway.excessive == [("exchange", "limits.weight", 19, 20)]


async def test_the_keys_of_few_accounts_bring_no_rule_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is held back cannot undo that with his own keys."""
    assert module.ACCOUNTS_LEAST == 3
    gateway = _promoted(percent=1)
    await gateway.all(30)
    await gateway.send(1, times=2)
    await gateway.send(2, times=2)
    assert gateway.excessive == []
    monkeypatch.setattr(module, "ACCOUNTS_LEAST", 2)
    assert gateway.excessive == [("exchange", "limits.weight", 2, 30)]


async def test_nobodys_rubbish_brings_a_rule_down_with_the_names_of_others_keys() -> None:
    gateway = _promoted(per="ip", capacity=2)
    await gateway.all(30)
    stranger: dict[str, Any] = {"address": "203.0.113.7", "secret": b"a-secret-that-is-not-that-of-the-key-0123"}
    codes = {await gateway.send(number, **stranger) for number in range(1, 31)}
    assert codes >= {"auth.bad_signature", "limit.weight"}
    assert gateway.excessive == []


async def test_where_an_address_is_denied_the_keys_count_that_were_proved_from_there() -> None:
    gateway = _promoted(per="ip")
    await gateway.all(30)
    for number in range(1, 5):
        assert await gateway.send(number) == "limit.weight"
    assert gateway.excessive == [("exchange", "limits.weight", 4, 30)]


async def test_a_rule_that_denies_a_key_from_its_first_message_on_is_found_by_what_was_proved_in_shadow() -> None:
    gateway = _Gateway(_policies(Mode.SHADOW, deny="192.0.2.0/30", capacity=100))
    await gateway.all(30)
    gateway.reload(_policies(Mode.ENFORCE, deny="192.0.2.0/30", capacity=100))
    await gateway.all(30)
    assert gateway.excessive == []  # three of thirty: 192.0.2.1 to .3
    wider = _Gateway(_policies(Mode.SHADOW, deny="192.0.2.0/29", capacity=100))
    await wider.all(30)
    wider.reload(_policies(Mode.ENFORCE, deny="192.0.2.0/29", capacity=100))
    await wider.all(30)
    assert wider.excessive == [("exchange", "client_ip", 7, 30)]


async def test_a_key_counts_where_it_was_last() -> None:
    """A key that has moved is not denied by what is denied at the address from where it came."""
    gateway = _promoted(per="ip")
    await gateway.send(1)
    await gateway.send(1, address="198.51.100.1")
    await gateway.send(2)
    for number, address in ((3, "192.0.2.1"), (4, "192.0.2.2")):
        assert await gateway.send(number, address=address) == "limit.weight"
    assert _denied(gateway) == {KeyId("gk_2")}


def _denied(gateway: _Gateway) -> set[KeyId]:
    return gateway.promotions._places["exchange"].trials[0].denied  # nothing else tells


async def test_the_watch_ends() -> None:
    gateway = _promoted()
    gateway.now = UnixMs(NOW + _WATCH_MS - 1)
    await gateway.all(30, times=2)
    assert len(gateway.excessive) == 1
    gateway.now = UnixMs(NOW + _WATCH_MS)
    assert gateway.excessive == []
    assert not gateway.promotions.listening


async def test_a_rule_that_was_put_back_or_lowered_by_a_reload_is_watched_no_more() -> None:
    gateway = _promoted()
    await gateway.all(30, times=2)
    gateway.promotions.put_back(gateway.promotions.excessive())
    assert gateway.excessive == []
    again = _promoted()
    await again.all(30, times=2)
    again.reload(_policies(Mode.SHADOW))
    assert again.excessive == []


async def test_another_reload_that_leaves_the_rule_alone_leaves_the_watch_alone() -> None:
    gateway = _promoted()
    await gateway.all(30, times=2)
    gateway.reload(_policies(Mode.ENFORCE))
    assert gateway.excessive == [("exchange", "limits.weight", 30, 30)]


async def test_more_keys_than_are_told_apart_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEYS_MAX", 25)
    gateway = _promoted()
    await gateway.all(40, times=2)
    assert gateway.excessive == [("exchange", "limits.weight", 25, 25)]
    assert len(gateway.promotions._places["exchange"].seen) == 25  # what is bounded is its size


async def test_what_was_proved_is_remembered_for_fifteen_minutes_and_at_most_for_thirty() -> None:
    gateway = _Gateway(_policies(Mode.SHADOW, deny="192.0.2.0/24"))
    await gateway.all(30)
    place = gateway.promotions._places["exchange"]  # nothing else tells
    gateway.now = UnixMs(NOW + _WATCH_MS)
    assert gateway.excessive == []
    assert len(list(place.from_address(Address("192.0.2.1")))) == 1
    gateway.now = UnixMs(NOW + 2 * _WATCH_MS)
    assert gateway.excessive == []
    assert list(place.from_address(Address("192.0.2.1"))) == []


async def test_a_key_that_wanders_leaves_nothing_behind_and_a_network_of_ipv6_is_one_address() -> None:
    gateway = _Gateway(_policies(Mode.SHADOW))
    place = gateway.promotions._places["exchange"]  # nothing else tells
    for number in range(1, 30):
        await gateway.send(1, address=f"198.51.100.{number}")
    assert list(place.at) == ["198.51.100.29"]
    for number in range(1, 30):
        await gateway.send(number, address=f"2001:db8::{number:x}")
    assert list(place.at) == ["2001:db8::/64"]
    assert len(list(place.from_address("2001:db8::/64"))) == 29
