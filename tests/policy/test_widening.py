"""A wider window reopens nothing that is forgotten under the narrower one."""

import msgspec
import pytest

from guard.model.names import UnixMs
from guard.model.policy import PolicySet, RouteAuth, Window
from guard.model.policy_versions import Narrowing
from guard.policy.widening import kept_narrow, narrowed_by, narrowings
from tests.build import NOW, auth, policies, route, service


def _granting(past_ms: int, *schemes: str) -> PolicySet:
    return policies(
        service(
            route("GET", "/v1/time", auth=None, scope=None),
            route(auth=auth(*schemes, past_ms=past_ms)),
            route("GET", "/v1/{id}/deep", auth=auth(*schemes, past_ms=past_ms)),
        )
    )


def _windows(found: PolicySet) -> set[Window]:
    auths = [each.auth for each in found.services[0].routes.routes()]
    return {window for one in auths if isinstance(one, RouteAuth) for window in one.windows}


@pytest.mark.parametrize("past_ms", [5000, 1000])
def test_policies_that_grant_no_more_are_taken_as_they_are(past_ms: int) -> None:
    new = _granting(past_ms)
    assert kept_narrow(new, _granting(5000), NOW) is new


def test_what_was_signed_before_the_swap_and_its_clock_lead_stays_as_old_as_it_was_remembered() -> None:
    """The clock lead of the policies before is 1000 ms, and a message may be under way for 300 ms."""
    found = kept_narrow(_granting(60_000), _granting(5000), NOW, under_way_ms=300)
    assert _windows(found) == {Window(60_000, 1000, UnixMs(NOW + 1300), 5000)}


def test_of_a_scheme_that_is_new_or_changed_nothing_before_the_swap_passes() -> None:
    new = kept_narrow(_granting(5000, "binance"), _granting(5000), NOW)
    assert _windows(new) == {Window(5000, 1000, UnixMs(NOW + 1000), 0)}
    changed = kept_narrow(_granting(5000), _granting(5000), NOW, changed=["guard-v1"])
    assert _windows(changed) == {Window(5000, 1000, UnixMs(NOW + 1000), 0)}


def test_a_second_swap_does_not_forget_what_the_first_one_held_back() -> None:
    first = kept_narrow(_granting(60_000), _granting(5000), NOW)
    soon = kept_narrow(_granting(60_000), first, UnixMs(NOW + 10_000))
    assert _windows(soon) == {Window(60_000, 1000, UnixMs(NOW + 11_000), 5000)}


def test_when_the_wider_memory_is_filled_nothing_is_held_back() -> None:
    first = kept_narrow(_granting(60_000), _granting(5000), NOW)
    late = kept_narrow(new := _granting(60_000), first, UnixMs(NOW + 1000 + 60_001))
    assert late is new


def test_the_widest_window_of_any_route_is_what_was_remembered() -> None:
    kept = msgspec.structs.replace(auth(past_ms=5000), remember_ms=(60_000,))
    old = policies(service(route(auth=kept)))
    new = _granting(60_000)
    assert kept_narrow(new, old, NOW) is new


def test_who_begins_later_holds_back_what_those_who_swapped_do() -> None:
    swapped = kept_narrow(_granting(60_000), _granting(5000), NOW, under_way_ms=300)
    held = narrowings(swapped)
    assert held == {"guard-v1": Narrowing(UnixMs(NOW + 1300), 5000)}
    assert _windows(narrowed_by(_granting(60_000), held)) == {Window(60_000, 1000, UnixMs(NOW + 1300), 5000)}


def test_policies_of_which_nothing_is_held_back_are_taken_as_they_are() -> None:
    assert narrowings(_granting(5000)) == {}
    new = _granting(5000)
    assert narrowed_by(new, {"binance": Narrowing(NOW, 0), "guard-v1": Narrowing(NOW, 5000)}) is new


def test_of_two_routes_the_narrower_and_longer_holding_back_is_handed_on() -> None:
    def held(until: int, past_ms: int) -> RouteAuth:
        window = Window(60_000, 1000, UnixMs(until), past_ms)
        return msgspec.structs.replace(auth(past_ms=60_000), windows=(window,))

    both = policies(service(route(auth=held(NOW + 1, 10)), route("GET", "/v1/other", auth=held(NOW + 9, 500))))
    assert narrowings(both) == {"guard-v1": Narrowing(UnixMs(NOW + 9), 10)}
