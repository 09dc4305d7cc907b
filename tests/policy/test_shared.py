"""What services pull out of `_shared.yaml`: as if they had written it, and told where it is written."""

import pytest

from guard.model.abuse import Action
from guard.model.policy import Service
from guard.policy.diagnostic import Diagnostic
from guard.policy.load import Invalid, Loaded, load_text
from guard.policy.resolved import all_resolved
from tests.policy_text import policy

_SHARED = """\
version: 1
limits:
  ip: {per: [ip], rate: 50/s}
  key: {per: [key], rate: 5/s}
tiers:
  maker: {key: 200/s}
signals:
  loud: {on: limit.*, per: account, over: 10s, at_least: 200, points: 20}
ladder:
  hard: [{at: 10, action: ban, for: 1h}]
"""
_ALL = (
    "limits:\n  use: [ip, key]\n  mine: {per: [account], rate: 7/s}",
    "tiers: {use: [maker]}",
    "abuse:\n  use: [forgery, loud, key-probing]\n  ladder: {use: hard}",
)


def _loaded(text: str, shared: str = _SHARED, **more: str) -> Loaded:
    found = load_text({"a.yaml": text, "_shared.yaml": shared, **{f"{name}.yaml": one for name, one in more.items()}})
    assert isinstance(found, Loaded), found
    return found


def _service(text: str, shared: str = _SHARED) -> Service:
    return _loaded(text, shared).policies.services[0]


def _found(text: str, shared: str | None = _SHARED, **more: str) -> tuple[Diagnostic, ...]:
    files = {"a.yaml": text, **({} if shared is None else {"_shared.yaml": shared})}
    found = load_text({**files, **{f"{name}.yaml": one for name, one in more.items()}})
    return found.diagnostics if isinstance(found, Invalid) else found.warnings


def _told(text: str, shared: str | None = _SHARED, **more: str) -> list[tuple[str, str, int, str, str]]:
    return [(one.code, one.file, one.line, one.message, one.help) for one in _found(text, shared, **more)]


def test_what_is_pulled_counts_as_if_it_were_written_here() -> None:
    served = _service(policy(*_ALL))
    [order] = [route for route in served.routes.routes() if route.name == "POST /v1/orders"]
    assert [limit.name for limit in (*order.limits_address, *order.limits_principal)] == ["ip", "key", "mine"]
    assert list(order.limits_by_tier) == ["maker"]
    assert served.abuse is not None
    assert {signal.name for signal, _ in served.abuse.signals} == {"forgery", "loud", "key-probing"}
    assert [(rung.at, rung.action) for rung in served.abuse.ladder] == [(10, Action.BAN)]


def test_a_rule_tells_the_file_and_line_where_it_is_written() -> None:
    served = _service(policy(*_ALL))
    [order] = [route for route in served.routes.routes() if route.name == "POST /v1/orders"]
    rules = {str(limit.rule) for limit in (*order.limits_address, *order.limits_principal)}
    assert rules == {"limits.ip (_shared.yaml:3)", "limits.key (_shared.yaml:4)", "limits.mine (a.yaml:6)"}
    assert served.abuse is not None
    assert {str(signal.rule) for signal, _ in served.abuse.signals} == {
        "abuse.forgery (a.yaml:9)",
        "abuse.loud (_shared.yaml:8)",
        "abuse.key-probing (a.yaml:9)",
    }


def test_what_is_printed_is_the_whole_policy_with_the_origin_of_each_value() -> None:
    printed = all_resolved(_loaded(policy(*_ALL)))
    rows = {row.split("#")[0].strip(): row.split("#")[1].strip() for row in printed.splitlines() if "  # " in row}
    assert rows["rate: 50/s"] == "_shared.yaml:3"
    assert rows['maker: {"key": "200/s"}'] == "_shared.yaml:6"
    assert rows["rate: 7/s"] == "a.yaml:6"
    assert rows['use: ["forgery", "key-probing"]'] == "a.yaml:9"
    assert '"at": 10' in printed
    again = load_text({"a.yaml": printed})
    assert isinstance(again, Loaded), again


@pytest.mark.parametrize(
    ("part", "line", "message", "hint"),
    [
        ("limits: {use: [ipp]}", 4, "no shared limit `ipp`", "did you mean `ip`?"),
        ("tiers: {use: [makers]}", 4, "no shared tier `makers`", "did you mean `maker`?"),
        ("abuse: {use: [loudly]}", 4, "no signal `loudly` is shared here, or comes with guard", "did you mean `loud`?"),
        (
            "abuse: {use: [forgeries]}",
            4,
            "no signal `forgeries` is shared here, or comes with guard",
            "did you mean `forgery`?",
        ),
        ("abuse: {ladder: {use: soft}}", 4, "no shared ladder `soft`", ""),
        (
            "limits:\n  use: [ip]\n  ip: {per: [ip], rate: 9/s}",
            5,
            "`ip` is there twice",
            "it is at line 6 too: leave it out of `use`, or name your own otherwise",
        ),
        (
            "abuse:\n  signals:\n    loud: {on: limit.*, per: ip, points: 1}\n  use: [loud]",
            7,
            "`loud` is there twice",
            "it is at line 6 too: leave it out of `use`, or name your own otherwise",
        ),
        (
            "limits:\n  use: [ip, ip]",
            5,
            "`ip` is there twice",
            "it is at line 5 too: leave it out of `use`, or name your own otherwise",
        ),
    ],
)
def test_a_name_is_there_once_and_is_one_that_there_is(part: str, line: int, message: str, hint: str) -> None:
    found = [one for one in _told(policy(part)) if one[0] != "P219"]
    assert found == [("P216", "a.yaml", line, message, hint)]


@pytest.mark.parametrize(
    "part",
    [
        "limits: {use: ip}",
        "limits: {use: []}",
        "tiers: {use: [5]}",
        "abuse: {use: {a: b}}",
        "abuse: {ladder: {use: [hard]}}",
        "abuse: {ladder: {use: hard, at: 5}}",
        "abuse: {ladder: {}}",
    ],
)
def test_what_is_pulled_is_named(part: str) -> None:
    assert [code for code, *_ in _told(policy(part)) if code != "P219"] == ["P103"]


def test_without_a_shared_file_that_is_said() -> None:
    assert _told(policy("limits: {use: [ip]}"), None) == [
        ("P216", "a.yaml", 4, "no shared limit `ip`", "no `_shared.yaml` stands beside this policy")
    ]


def test_a_fault_of_what_is_pulled_is_told_where_it_is_written_and_who_pulls_it() -> None:
    shared = "version: 1\nlimits:\n  key:\n    per: [key]\n    rate: 5/s\n    routes: [order]\n"
    [(code, file, line, message, hint)] = _told(policy("limits: {use: [key]}"), shared)
    assert (code, file, line, message) == ("P201", "_shared.yaml", 6, "no route or group `order`")
    assert hint == "did you mean `orders`?; a.yaml uses it"


@pytest.mark.parametrize(
    ("shared", "code", "line", "message"),
    [
        ("version: 1\nlimits:\n  ip: {per: [ip], rat: 5/s}\n", "P101", 3, "unknown field `rat`"),
        ("version: 1\nlimits:\n  named: {per: [ip], rate: 5}\n", "P104", 3, "a rate needs its period"),
        ("version: 1\nlimit:\n  ip: {per: [ip], rate: 5/s}\n", "P101", 2, "unknown field `limit`"),
        ("version: 1\nlimits:\n  use: {per: [ip], rate: 5/s}\n", "P106", 3, "`use` is a word of the language"),
        (
            "version: 1\nsignals:\n  forgery: {on: limit.*, per: ip, points: 1}\n",
            "P106",
            3,
            "`forgery` is the name of a signal that guard ships",
        ),
        ("version: 1\nladder:\n  hard: [{at: 0, action: ban, for: 1h}]\n", "P107", 3, "must be at least 1"),
        ("version: 1\ntiers:\n  maker: {ip: {rat: 5/s}}\n", "P101", 3, "unknown field `rat`"),
        ("version: 1\nversion: 1\n", "Y004", 2, "duplicate key `version`"),
    ],
)
def test_what_is_wrong_with_what_is_shared_is_told_once_and_nothing_that_follows(
    shared: str, code: str, line: int, message: str
) -> None:
    second = policy("match: {hosts: [b]}", "limits: {use: [ip]}").replace("service: exchange", "service: second")
    found = _told(policy(*_ALL), shared, b=second)
    assert [one[:4] for one in found] == [(code, "_shared.yaml", line, message)]


def test_what_nobody_pulls_does_nothing_and_that_is_a_warning() -> None:
    assert [(code, file, line) for code, file, line, *_ in _told(policy("limits: {use: [ip]}"))] == [
        ("P219", "_shared.yaml", 4),
        ("P219", "_shared.yaml", 6),
        ("P219", "_shared.yaml", 8),
        ("P219", "_shared.yaml", 10),
    ]
    assert _told(policy(*_ALL)) == []


def test_what_is_shared_is_part_of_the_digest_of_who_pulls_it_and_of_no_other() -> None:
    second = policy("match: {hosts: [b]}").replace("service: exchange", "service: second")
    before, after = (
        _loaded(policy(*_ALL), shared, b=second).policies for shared in (_SHARED, _SHARED.replace("50/s", "60/s"))
    )
    assert before.digest != after.digest
    assert [old.digest == new.digest for old, new in zip(before.services, after.services, strict=True)] == [False, True]


def test_a_policy_that_is_loaded_alone_finds_what_it_shares_beside_it_and_so_do_its_contents() -> None:
    before = _loaded(policy(*_ALL))
    assert list(before.contents) == ["a.yaml", "_shared.yaml"]
    again = load_text(before.contents)
    assert isinstance(again, Loaded)
    assert again.policies.digest == before.policies.digest
