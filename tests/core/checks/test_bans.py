"""Who is stopped by a ban and its milder forms, and who passes all the same."""

import pytest

from guard.core import decide
from guard.core.stages import Allow
from guard.core.standing import address_standing
from guard.model.abuse import Action, SubjectKind
from guard.model.bans import EVERY_SERVICE, Ban, bans_of
from guard.model.decision import Deny
from guard.model.facts import Facts
from guard.model.names import KeyId, UnixMs
from guard.model.rules import Mode
from tests.build import KEY_ID, NOW, abuse, ban, policies, record, route, rule, service, signed
from tests.line import code, decided

_ROUTES = {
    "order": route("POST", "/o", scope=None),
    "cancel": route("DELETE", "/o", scope=None, critical=True),
    "read": route("GET", "/o", scope=None),
    "open": route("GET", "/open", scope=None, auth=None),
}
_RULES = policies(service(*_ROUTES.values(), abuse=abuse()))
_HERE = signed().peer


def _message(kind: str) -> Facts:
    asked = _ROUTES[kind]
    return signed(asked.method, asked.template.encode())


def _outcomes(*bans: Ban) -> dict[str, str]:
    return {kind: code(decided(_message(kind), rules=_RULES, body=b"", bans=bans_of(bans))) for kind in _ROUTES}


def _decided(*bans: Ban, kind: str = "order", now: UnixMs = NOW, crowded: bool = False) -> Allow | Deny:
    return decided(_message(kind), rules=_RULES, body=b"", bans=bans_of(bans), now=now, crowded=crowded)


def test_a_banned_address_may_do_nothing_not_even_cancel() -> None:
    assert set(_outcomes(ban(name=_HERE)).values()) == {"abuse.ban"}


@pytest.mark.parametrize(("kind", "name"), [(SubjectKind.KEY, KEY_ID), (SubjectKind.ACCOUNT, "acme")])
def test_a_banned_key_or_account_may_do_nothing_and_open_routes_are_not_its_own(kind: SubjectKind, name: str) -> None:
    outcomes = _outcomes(ban(kind, name))
    assert outcomes.pop("open") == "allow"
    assert set(outcomes.values()) == {"abuse.ban"}


@pytest.mark.parametrize(
    ("kind", "name"), [(SubjectKind.IP, _HERE), (SubjectKind.KEY, KEY_ID), (SubjectKind.ACCOUNT, "acme")]
)
def test_in_quarantine_reads_and_cancels_go_on(kind: SubjectKind, name: str) -> None:
    outcomes = _outcomes(ban(kind, name, action=Action.QUARANTINE))
    assert outcomes == {"order": "abuse.quarantine", "cancel": "allow", "read": "allow", "open": "allow"}


@pytest.mark.parametrize("action", [Action.SLOW, Action.THROTTLE])
def test_slow_and_throttle_stop_nothing_by_themselves(action: Action) -> None:
    assert set(_outcomes(ban(name=_HERE, action=action), ban(SubjectKind.KEY, KEY_ID, action=action)).values()) == {
        "allow"
    }


def test_a_ban_says_when_to_come_back_and_is_over_in_that_millisecond() -> None:
    banned = ban(name=_HERE)
    denied = _decided(banned, now=UnixMs(NOW + 1))
    assert isinstance(denied, Deny)
    assert denied.wait_ms == 119_999
    assert code(_decided(ban(name=_HERE, until=NOW))) == "allow"


def test_a_network_is_banned_with_all_addresses_in_it_and_no_other() -> None:
    assert code(_decided(ban(name="192.0.2.0/24"))) == "abuse.ban"
    assert code(_decided(ban(name="192.0.3.0/24"))) == "allow"


@pytest.mark.parametrize("action", list(Action))
def test_in_shadow_each_is_recorded_and_none_stops_anything(action: Action) -> None:
    for kind, name in ((SubjectKind.IP, _HERE), (SubjectKind.KEY, KEY_ID)):
        outcome = _decided(ban(kind, name, action=action, rule=rule("abuse.replay", Mode.SHADOW), delay_ms=250))
        assert isinstance(outcome, Allow)
        assert [deny.code for deny in outcome.shadow] == [f"abuse.{action.value}"]
        assert outcome.record is not None  # who is only recorded is not nobody: a replay of theirs is one


@pytest.mark.parametrize("action", [Action.SLOW, Action.THROTTLE, Action.QUARANTINE])
def test_a_cancel_that_would_be_spared_is_not_recorded_either(action: Action) -> None:
    outcome = _decided(ban(name=_HERE, action=action, rule=rule("abuse.replay", Mode.SHADOW)), kind="cancel")
    assert isinstance(outcome, Allow)
    assert outcome.shadow == ()


def test_what_is_meant_stands_before_what_is_only_recorded() -> None:
    recorded = ban(name=_HERE, rule=rule("abuse.replay", Mode.SHADOW))
    assert code(_decided(recorded, ban(name=_HERE, action=Action.QUARANTINE))) == "abuse.quarantine"


@pytest.mark.parametrize(
    ("kind", "name"), [(SubjectKind.IP, _HERE), (SubjectKind.KEY, KEY_ID), (SubjectKind.ACCOUNT, "acme")]
)
def test_who_must_wait_and_finds_no_place_is_refused(kind: SubjectKind, name: str) -> None:
    slow = ban(kind, name, action=Action.SLOW, delay_ms=250)
    recorded = ban(kind, name, action=Action.SLOW, rule=rule("abuse.replay", Mode.SHADOW))
    assert code(_decided(recorded, crowded=True)) == "allow"
    assert code(_decided(slow, crowded=True)) == "abuse.slow"
    assert code(_decided(slow, kind="cancel", crowded=True)) == "allow"
    assert code(_decided(ban(kind, "203.0.113.8", action=Action.SLOW), crowded=True)) == "allow"


def test_who_must_wait_is_told_how_long_before_anything_of_its_claim_is_read() -> None:
    bans = bans_of([ban(name=_HERE, action=Action.SLOW, delay_ms=250)])
    routed = decide.route(_RULES, _message("order"))
    assert not isinstance(routed, Deny)
    entered = decide.enter(routed, None, held=address_standing(bans, routed, NOW), now=NOW)
    assert not isinstance(entered, Deny)
    assert entered.delay_ms == 250


def test_a_banned_address_lets_in_the_keys_that_were_verified_from_there_and_no_other() -> None:
    assert _outcomes(ban(name=_HERE, guests=(KEY_ID,))) == {
        **dict.fromkeys(("order", "cancel", "read"), "allow"),
        "open": "abuse.ban",
    }
    assert set(_outcomes(ban(name=_HERE, guests=(KeyId("gk_other"),))).values()) == {"abuse.ban"}


def test_naming_a_guest_without_holding_its_key_is_no_way_in() -> None:
    forged = signed("POST", b"/o", secret=b"another-secret-0123456789abcdef0123456789")
    bans = bans_of([ban(name=_HERE, guests=(KEY_ID,))])
    assert code(decided(forged, rules=_RULES, body=b"", bans=bans)) == "auth.bad_signature"


def test_a_rotated_key_stays_banned_under_its_lineage() -> None:
    successor = record(id=KeyId("gk_test"), lineage=KeyId("gk_first"))
    outcome = decided(
        _message("order"), rules=_RULES, key=successor, body=b"", bans=bans_of([ban(SubjectKind.KEY, "gk_first")])
    )
    assert code(outcome) == "abuse.ban"


def test_an_operators_ban_stands_in_every_service_or_in_the_one_that_it_names() -> None:
    assert code(_decided(ban(name=_HERE, rule=None, service=EVERY_SERVICE))) == "abuse.ban"
    assert code(_decided(ban(name=_HERE, rule=None, service="exchange"))) == "abuse.ban"
    assert code(_decided(ban(name=_HERE, rule=None, service="other"))) == "allow"
