from guard.model.abuse import Action, ScoreKind
from guard.model.rules import Mode


def test_actions_are_in_the_order_of_their_severity() -> None:
    assert sorted(set(Action), key=lambda action: action.severity) == [
        Action.SLOW,
        Action.THROTTLE,
        Action.QUARANTINE,
        Action.BAN,
    ]


def test_only_the_score_of_enforced_signals_is_meant() -> None:
    assert (ScoreKind.REAL.mode, ScoreKind.TRIAL.mode) == (Mode.ENFORCE, Mode.SHADOW)
