import pytest

from guard.core.loss import alternative
from guard.model.names import UnixMs
from guard.model.policy import Loss, OnLoss
from guard.model.questions import Charge, Debit, Once
from tests.build import NOW, limit

ONCE = Once(
    identity=("gk_test", "guard-v1", b"nonce"),
    binding=b"POST /v1/orders",
    repeatable=False,
    burns=True,
    signed_at=NOW,
    future_ms=1000,
    forget_after=UnixMs(NOW + 5000),
)
DEBITS = (Debit(("exchange", "key", "k1"), limit(), 1),)
ALL = (OnLoss.DENY, OnLoss.ALLOW, OnLoss.LOCAL)


def charge(loss: Loss, once: Once | None = ONCE, debits: tuple[Debit, ...] = DEBITS) -> Charge:
    return Charge(id="req_1", now=NOW, once=once, debits=debits, loss=loss)


@pytest.mark.parametrize("limits", ALL)
def test_message_that_must_be_fresh_is_refused_where_replay_says_deny(limits: OnLoss) -> None:
    assert alternative(charge(Loss(OnLoss.DENY, limits, 50))) is None


@pytest.mark.parametrize("replay", ALL)
def test_message_that_a_limit_counts_is_refused_where_limits_say_deny(replay: OnLoss) -> None:
    assert alternative(charge(Loss(replay, OnLoss.DENY))) is None


def test_nothing_said_refuses() -> None:
    assert alternative(charge(Loss())) is None


def test_message_without_limits_does_not_depend_on_them() -> None:
    asked = alternative(charge(Loss(OnLoss.LOCAL, OnLoss.DENY), debits=()))
    assert asked is not None
    assert (asked.once, asked.debits) == (ONCE, ())


def test_message_without_freshness_does_not_depend_on_replay() -> None:
    asked = alternative(charge(Loss(OnLoss.DENY, OnLoss.LOCAL, 50), once=None))
    assert asked is not None
    assert (asked.once, asked.debits) == (None, DEBITS)


@pytest.mark.parametrize(
    ("replay", "limits", "once", "debits"),
    [
        (OnLoss.LOCAL, OnLoss.LOCAL, ONCE, DEBITS),
        (OnLoss.ALLOW, OnLoss.LOCAL, None, DEBITS),
        (OnLoss.LOCAL, OnLoss.ALLOW, ONCE, ()),
        (OnLoss.ALLOW, OnLoss.ALLOW, None, ()),
    ],
)
def test_what_may_pass_unasked_is_left_out_and_the_rest_is_asked_of_this_process(
    replay: OnLoss, limits: OnLoss, once: Once | None, debits: tuple[Debit, ...]
) -> None:
    asked = alternative(charge(Loss(replay, limits, 50)))
    assert asked is not None
    assert (asked.id, asked.now, asked.once, asked.debits) == ("req_1", NOW, once, debits)
