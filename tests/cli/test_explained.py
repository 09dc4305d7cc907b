from guard.cli.explained import shown
from guard.service.explain import Explanation, Line, Verdict


def test_the_screen_names_the_decision_each_subject_its_place_and_what_to_do() -> None:
    lines = (
        Line(subject="route", verdict=Verdict.PASS, detail="POST /v1/orders  cost=1", place="a.yaml:11"),
        Line(subject="gateway", verdict=Verdict.PASS),
        Line(subject="scope", verdict=Verdict.DENY, detail="trade", place="a.yaml:11", decided=True),
        Line(subject="limit.key", verdict=Verdict.NOT_REACHED, place="a.yaml:8"),
    )
    explanation = Explanation(
        decision="deny",
        reason="authz.scope",
        status=403,
        service="exchange",
        policy="3f2a91c",
        mode="enforce",
        lines=lines,
        remedy="give a key that scope",
        note="the policy is another now",
    )
    assert shown(explanation) == [
        "DENY 403 authz.scope                            policy exchange@3f2a91c (enforce)",
        "  route        pass        POST /v1/orders  cost=1                      a.yaml:11",
        "  gateway      pass",
        "  scope        DENY        trade                                        a.yaml:11   ◀ decided here",
        "  limit.key    not reached                                              a.yaml:8",
        "  note: the policy is another now",
        "  try: give a key that scope",
    ]


def test_what_a_client_wrote_cannot_steer_the_terminal() -> None:
    line = Line(subject="route", verdict=Verdict.DENY, detail="\x1b[2J\nx")
    explanation = Explanation(
        decision="deny", reason=None, status=None, service=None, policy=None, mode=None, lines=(line,)
    )
    assert shown(explanation) == [
        "DENY -                                          no service",
        "  route        DENY        \\x1b[2J\\nx",
    ]
