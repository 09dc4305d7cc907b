"""What is in force against whom, and what the milder forms ask for."""

import msgspec
import pytest

from guard.core import decide
from guard.core.stages import Routed
from guard.core.standing import (
    address_standing,
    delay_ms,
    holder_delay_ms,
    holder_standing,
    is_meant,
    rule_of,
    throttled,
)
from guard.model.abuse import Action, SubjectKind
from guard.model.bans import NO_BANS, Ban, bans_of
from guard.model.names import Address, UnixMs
from guard.model.policy import ClientAddressPolicy, Service
from guard.model.questions import Debit
from guard.model.rules import Mode
from tests.build import KEY_ID, NOW, abuse, ban, facts, limit, policies, record, route, rule, service, slots

_SERVICE = service(abuse=abuse())
_ORDERS = route()
_CANCELS = route("DELETE", "/v1/orders/{id}", critical=True)


def _routed(address: str, of: Service = _SERVICE) -> Routed:
    routed = decide.route(policies(of), facts(peer=Address(address)))
    assert isinstance(routed, Routed)
    return routed


def _meaning(mode: Mode) -> Service:
    return service(abuse=abuse(rule=rule("abuse", mode)))


@pytest.mark.parametrize(
    ("name", "address", "stands"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.0.0/16", "192.0.2.2", True),
        ("2001:db8::/64", "2001:db8::1:2:3", True),
        ("2001:db8::/64", "2001:db8:0:1::1", False),
        ("2001:db8::/48", "2001:db8:0:1::1", True),
    ],
)
def test_an_address_stands_under_its_own_bans_and_those_of_networks_around_it(
    name: str, address: str, *, stands: bool
) -> None:
    found = ban(name=name)
    assert address_standing(bans_of([found]), _routed(address), NOW) == ((found,) if stands else ())


def test_who_is_exempt_is_not_banned_with_their_neighbours_but_by_an_operator() -> None:
    exempt = ("2001:db8::5",)
    proxies = ClientAddressPolicy(rule=rule("client_ip"), trust=("2001:db8::7",))
    there = service(abuse=abuse(exempt_ips=exempt), client_ip=proxies)
    ladders, operators = ban(name="2001:db8::/64"), ban(name="2001:db8::/64", rule=None)
    found = {
        last: address_standing(bans_of([ladders, operators]), _routed(f"2001:db8::{last}", there), NOW)
        for last in (5, 6, 7)
    }
    assert found == {5: (operators,), 6: (ladders, operators), 7: (operators,)}


def test_a_ban_ends_in_the_millisecond_that_it_names() -> None:
    bans = bans_of([ban(name="192.0.2.1", until=UnixMs(NOW + 5))])
    assert address_standing(bans, _routed("192.0.2.1"), UnixMs(NOW + 4)) != ()
    assert address_standing(bans, _routed("192.0.2.1"), UnixMs(NOW + 5)) == ()


def test_a_key_stands_under_the_bans_of_its_lineage_and_its_account() -> None:
    own, account = ban(SubjectKind.KEY, KEY_ID), ban(SubjectKind.ACCOUNT, "acme")
    bans = bans_of([own, account, ban(SubjectKind.KEY, "gk_other")])
    assert holder_standing(bans, record(), _SERVICE, NOW) == (own, account)
    assert holder_standing(bans, None, _SERVICE, NOW) == ()


def test_a_ladders_ban_stands_in_its_own_service_alone_and_only_while_that_watches() -> None:
    bans = bans_of([ban(SubjectKind.KEY, KEY_ID)])
    assert holder_standing(bans, record(), _SERVICE, NOW) != ()
    for other in (service(name="other", abuse=abuse()), service(), _meaning(Mode.OFF)):
        assert holder_standing(bans, record(), other, NOW) == ()


def test_a_policy_that_is_turned_to_shadow_takes_its_bans_with_it_but_not_an_operators() -> None:
    mine, operators = ban(), ban(rule=None)
    assert (is_meant(mine, _SERVICE), is_meant(operators, _SERVICE)) == (True, True)
    assert (is_meant(mine, _meaning(Mode.SHADOW)), is_meant(operators, _meaning(Mode.SHADOW))) == (False, True)
    lowered = rule_of(mine, _meaning(Mode.SHADOW))
    assert lowered is not None
    assert (lowered.name, lowered.mode) == ("abuse.replay", Mode.SHADOW)


def test_what_was_made_in_shadow_is_never_meant_later() -> None:
    assert not is_meant(ban(rule=rule("abuse.replay", Mode.SHADOW)), _SERVICE)


def test_the_longest_delay_counts_and_one_in_shadow_does_not() -> None:
    slow = ban(action=Action.SLOW, delay_ms=250)
    longer = msgspec.structs.replace(slow, delay_ms=500)
    recorded = msgspec.structs.replace(slow, delay_ms=900, rule=rule("abuse", Mode.SHADOW))
    assert delay_ms((slow, longer, recorded), _SERVICE, _ORDERS) == 500
    assert delay_ms((ban(),), _SERVICE, _ORDERS) == 0


def test_cancels_neither_wait_nor_cost_more() -> None:
    taken = (Debit(("a",), limit(capacity=10), 1),)
    assert throttled(taken, (_throttle(25),), _SERVICE, _CANCELS) is taken
    assert delay_ms((ban(action=Action.SLOW, delay_ms=250),), _SERVICE, _CANCELS) == 0


def test_a_slow_key_waits_and_nobody_does_where_nobody_is_slow() -> None:
    bans = bans_of([ban(SubjectKind.KEY, KEY_ID, action=Action.SLOW, delay_ms=250)])
    assert holder_delay_ms(bans, record(), _SERVICE, _ORDERS, NOW) == 250
    assert holder_delay_ms(bans, record(), _SERVICE, _CANCELS, NOW) == 0
    assert holder_delay_ms(NO_BANS, record(), _SERVICE, _ORDERS, NOW) == 0


@pytest.mark.parametrize(
    ("percent", "cost", "expected"),
    [(25, 1, 4), (30, 1, 4), (100, 3, 3), (10, 5, 10), (50, 20, 20)],
)
def test_who_is_throttled_pays_more_but_never_more_than_the_bucket_holds_nor_less_than_before(
    percent: int, cost: int, expected: int
) -> None:
    taken = (Debit(("a",), limit(capacity=10), cost),)
    [debit] = throttled(taken, (_throttle(percent),), _SERVICE, _ORDERS)
    assert debit.cost == expected


def test_the_strictest_throttle_counts_and_one_in_shadow_does_not() -> None:
    taken = (Debit(("a",), limit(capacity=100), 1),)
    recorded = msgspec.structs.replace(_throttle(1), rule=rule("abuse", Mode.SHADOW))
    [debit] = throttled(taken, (_throttle(50), _throttle(20), recorded), _SERVICE, _ORDERS)
    assert debit.cost == 5
    assert throttled(taken, (recorded,), _SERVICE, _ORDERS) is taken


def test_a_throttle_leaves_slots_as_many_as_they_can_be() -> None:
    [debit] = throttled((Debit(("a",), slots(count=1), 1),), (_throttle(25),), _SERVICE, _ORDERS)
    assert debit.cost == 1


def _throttle(percent: int) -> Ban:
    return ban(action=Action.THROTTLE, percent=percent)
