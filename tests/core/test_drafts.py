"""What a message says of itself, and what it is held against."""

import pytest

from guard.core import decide
from guard.core.drafts import draft_of, record_to_try
from guard.core.stages import Routed
from guard.model.claims import Claim
from guard.model.facts import Facts
from guard.model.keys import KeyAlgorithm, KeyRecord, KeyState
from guard.model.policy import PolicySet
from guard.model.questions import Unavailable
from tests.build import KEY_ID, NOW, auth, facts, policies, record, route, service, signed
from tests.line import SCHEMES, identified_as


def _routed(message: Facts, rules: PolicySet | None = None) -> Routed:
    routed = decide.route(rules or policies(), message)
    assert isinstance(routed, Routed)
    return routed


def test_a_message_is_read_by_the_first_scheme_of_its_route_that_it_carries_and_names_the_others() -> None:
    rules = policies(service(route(auth=auth("api-key", "guard-v1"))))
    message = signed(fields=((b"guard-api-key", b"gk_x.secret"),))
    draft = draft_of(_routed(message, rules), SCHEMES, NOW, clock_is_sure=True)
    assert draft.scheme is SCHEMES["api-key"]
    assert draft.rivals == ("guard-v1",)


def test_a_message_without_credentials_and_one_to_an_open_route_claim_nothing() -> None:
    unsigned = draft_of(_routed(facts()), SCHEMES, NOW, clock_is_sure=False)
    assert (unsigned.scheme, unsigned.claim, unsigned.window, unsigned.remember_ms) == (None, None, None, 0)
    assert not unsigned.clock_is_sure
    to_anyone = policies(service(route(auth=None, scope=None)))
    assert draft_of(_routed(signed(), to_anyone), SCHEMES, NOW, clock_is_sure=True).scheme is None


def test_a_signed_message_claims_its_key_within_the_window_of_its_scheme() -> None:
    draft = draft_of(_routed(signed()), SCHEMES, NOW, clock_is_sure=True)
    assert isinstance(draft.claim, Claim)
    assert draft.claim.key_id == KEY_ID
    assert draft.window is not None
    assert (draft.window.past_ms, draft.window.future_ms, draft.remember_ms) == (5000, 1000, 5000)


@pytest.mark.parametrize(
    ("found", "unfit"),
    [
        (None, "auth.unknown_key"),
        (Unavailable("keys"), "auth.unknown_key"),
        (record(state=KeyState.DESTROYED), "auth.unknown_key"),
        (record(algorithm=KeyAlgorithm.API_KEY), "auth.algorithm"),
    ],
    ids=["nobody's", "not found out", "destroyed", "of another kind"],
)
def test_where_the_real_record_cannot_serve_a_decoy_is_tried(found: KeyRecord | Unavailable | None, unfit: str) -> None:
    tried, why = record_to_try(identified_as(signed()), found)
    assert why == unfit
    assert tried is not None
    assert tried is not found


def test_the_real_record_serves_where_it_fits_and_an_open_route_needs_none() -> None:
    real = record()
    tried, why = record_to_try(identified_as(signed()), real)
    assert (tried is real, why) == (True, None)
    to_anyone = policies(service(route(auth=None, scope=None)))
    assert record_to_try(identified_as(facts(), to_anyone), real) == (None, None)
