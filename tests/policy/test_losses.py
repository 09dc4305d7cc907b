import pytest

from guard.model.policy import Loss, OnLoss
from guard.model.rules import Rule
from tests.policy_text import codes, found, loaded, policy, routes, service, told

ROUTES = (
    "routes:\n  GET /v1/account: {scope: read}\n  POST /v1/orders: {scope: trade}\n"
    "  DELETE /v1/orders/{id}: {scope: trade, priority: critical}\n"
)
READS = "routes:\n  GET /v1/account: {scope: read}\n  DELETE /v1/orders/{id}: {scope: trade, priority: critical}\n"


def losses(*parts: str) -> list[Loss]:
    of = routes(policy(*parts, routes=ROUTES))
    return [of[name].loss for name in ("POST /v1/orders", "DELETE /v1/orders/{id}")]


def test_without_a_word_orders_are_refused_cancels_go_on_and_half_of_each_limit_is_given_out() -> None:
    assert losses() == [Loss(OnLoss.DENY, OnLoss.LOCAL, 50), Loss(OnLoss.LOCAL, OnLoss.LOCAL, 50)]


def test_one_word_for_replay_holds_for_all_routes() -> None:
    assert [loss.replay for loss in losses("store: {on_failure: {replay: deny}}")] == [OnLoss.DENY] * 2


def test_critical_routes_may_have_a_word_of_their_own() -> None:
    said = "store: {on_failure: {replay: {default: local, critical: allow}}}"
    assert [loss.replay for loss in losses(said)] == [OnLoss.LOCAL, OnLoss.ALLOW]
    alone = "store: {on_failure: {replay: {default: local}}}"
    assert [loss.replay for loss in losses(alone)] == [OnLoss.LOCAL] * 2


@pytest.mark.parametrize(
    ("said", "loss"),
    [
        ("deny", (OnLoss.DENY, 0)),
        ("allow", (OnLoss.ALLOW, 0)),
        ("local 1%", (OnLoss.LOCAL, 1)),
        ("local 100%", (OnLoss.LOCAL, 100)),
    ],
)
def test_limits_are_refused_or_let_pass_or_given_out_in_part(said: str, loss: tuple[OnLoss, int]) -> None:
    (first, _) = losses(f"store: {{on_failure: {{limits: {said}}}}}")
    assert (first.limits, first.limits_percent) == loss


@pytest.mark.parametrize(
    "said", ["local", "local 0%", "local  50%", "local 50", "deny 50%", "open", "50%", "true", "[]"]
)
def test_what_limits_cannot_do_is_refused_with_what_they_can(said: str) -> None:
    (fault,) = found(policy(f"store: {{on_failure: {{limits: {said}}}}}"))
    assert fault.code == "P104"
    assert "local 50%" in fault.help or "percent sign" in fault.help


def test_another_word_for_replay_is_refused() -> None:
    assert codes(policy("store: {on_failure: {replay: open}}")) == ["P102"] * 1


def test_replay_that_is_allowed_is_warned_of() -> None:
    said = "store: {on_failure: {replay: allow}}"
    message = "while the store does not answer, a message that was executed before is executed again"
    assert told(policy(said)) == [("P406", 4, message)]


def test_local_replay_is_warned_of_where_more_than_reading_is_done_and_its_rule_is_known() -> None:
    said = "store: {on_failure: {replay: {default: local}}}"
    text = policy(said, routes=ROUTES)
    assert [(one.code, one.line) for one in found(text)] == [("P408", 4)]
    assert service(text).local_replay == Rule("store.on_failure.replay", "p0.yaml", 4)


def test_local_replay_does_no_harm_where_there_are_only_reads_and_cancels() -> None:
    text = policy("store: {on_failure: {replay: local}}", routes=READS)
    assert found(text) == ()
    assert service(text).local_replay is None


def test_replay_that_is_refused_needs_no_rule() -> None:
    assert service(policy("store: {on_failure: {replay: deny}}", routes=ROUTES)).local_replay is None


def test_known_bans_hold_on_and_nothing_else_may_be_said_of_them() -> None:
    assert codes(policy("store: {on_failure: {bans: last-known}}")) == []
    assert codes(policy("store: {on_failure: {bans: none}}")) == ["P102"]


def test_the_shortest_deadline_of_all_services_counts() -> None:
    other = policy("store: {timeout: 10ms}", "match: {hosts: [other.example.com]}").replace("exchange", "other", 1)
    assert loaded(policy("store: {timeout: 20ms}"), other).policies.store_ms_max == 10
    assert loaded(policy()).policies.store_ms_max is None
