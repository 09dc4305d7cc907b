"""What the store is asked to remember of a message, so that it goes through once."""

import msgspec
import pytest

from guard.core.once import once_of
from guard.core.stages import Allow, Verified
from guard.model.facts import Facts
from guard.model.questions import Once
from tests.build import KEY_ID, NOW, facts, policies, route, service, signed
from tests.line import decided


def _verified(message: Facts, body: bytes = b"") -> Verified:
    rules = policies(service(route(message.verb, message.path.decode())))
    allowed = decided(message, rules=rules, body=body)
    assert isinstance(allowed, Allow)
    return allowed.verified


def _once(message: Facts, body: bytes = b"") -> Once:
    once = once_of(_verified(message, body))
    assert once is not None
    return once


@pytest.mark.parametrize(("verb", "burns"), [("POST", True), ("GET", False)])
def test_what_does_more_than_read_burns_and_with_a_nonce_nothing_may_repeat(verb: str, *, burns: bool) -> None:
    once = _once(signed(verb))
    assert (once.burns, once.repeatable) == (burns, False)
    assert once.identity[:2] == (KEY_ID, "guard-v1")
    assert once.forget_after == NOW + 5000


def test_two_messages_with_nonces_of_their_own_are_two() -> None:
    first, second = (_once(signed(nonce=nonce)) for nonce in ("nonce-0123456789-first-1", "nonce-0123456789-second"))
    assert first.identity != second.identity
    assert first.binding == second.binding


@pytest.mark.parametrize("length", [1, 1000])
def test_another_path_or_method_has_another_binding_however_long_the_path_is(length: int) -> None:
    path = b"/v1/" + b"a" * length
    first = _once(signed(path=path))
    assert first.binding == _once(signed(path=path)).binding
    assert first.binding != _once(signed(path=path[:-1] + b"b")).binding
    assert first.binding != _once(signed("PUT", path)).binding


def test_nothing_is_remembered_of_what_nobody_has_proved_to_have_signed() -> None:
    rules = policies(service(route("GET", auth=None, scope=None)))
    allowed = decided(facts("GET"), rules=rules, key=None)
    assert isinstance(allowed, Allow)
    assert once_of(allowed.verified) is None
    unproved = msgspec.structs.replace(_verified(signed()), record=None)
    assert once_of(unproved) is None
