import pytest

from tests.policy_text import HEAD, ROUTES, codes, found, policy, told

ROUTE = "routes:\n  GET /v1/x: "


def route(text: str) -> str:
    return HEAD + ROUTE + text + "\n"


@pytest.mark.parametrize(
    ("text", "fault", "hint"),
    [
        (policy("modee: enforce"), ("P101", 4, "unknown field `modee`"), "did you mean `mode`?"),
        (policy("zzzzzz: 1"), ("P101", 4, "unknown field `zzzzzz`"), ""),
        (route("{cots: 5}"), ("P101", 5, "unknown field `cots`"), "did you mean `cost`?"),
        (policy("auth: {window: {pst: 5s}}"), ("P101", 4, "unknown field `pst`"), "did you mean `past`?"),
        (policy("limits: {x: {per: [key], rat: 5/s}}"), ("P101", 4, "unknown field `rat`"), "did you mean `rate`?"),
        (
            policy("limits: {x: {per: [key], rate: 5/s, excpt: []}}"),
            ("P101", 4, "unknown field `excpt`"),
            "did you mean `except`?",
        ),
        (policy("limits: {rate: {per: [key], rat: 5/s}}"), ("P101", 4, "unknown field `rat`"), "did you mean `rate`?"),
        (
            policy("mode: enforced"),
            ("P102", 4, "`enforced` is not one of enforce, shadow, off"),
            "did you mean `enforce`?",
        ),
        (
            route("{priority: critcal}"),
            ("P102", 5, "`critcal` is not one of normal, critical"),
            "did you mean `critical`?",
        ),
        (route("{auth: some}"), ("P102", 5, "`some` is not none"), ""),
        (route("{auth: [x]}"), ("P102", 5, "a list is not none"), ""),
        (
            policy("limits: {x: {per: [key, user], rate: 5/s}}"),
            ("P102", 4, "`user` is not one of ip, key, account, route, group, service"),
            "",
        ),
        (policy("auth: {nonce: none}"), ("P102", 4, "`none` is not required"), ""),
        (HEAD.replace("version: 1", "version: 2") + ROUTES, ("P102", 1, "`2` is not 1"), ""),
        (HEAD.replace("version: 1", "version: '1'") + ROUTES, ("P102", 1, "`1` is not 1"), "leave the quotes out"),
        (route("{reads: yes}"), ("P103", 5, "expected true or false, found the text `yes`"), ""),
        (route("{cost: 1.5}"), ("P103", 5, "expected a whole number, found the number `1.5`"), ""),
        (route("{cost: true}"), ("P103", 5, "expected a whole number, found `true`"), ""),
        (route("{cost: '5'}"), ("P103", 5, "expected a whole number, found the text `5`"), ""),
        (route("5"), ("P103", 5, "expected a mapping, found the number `5`"), ""),
        (policy("owner: 5"), ("P103", 4, "expected text, found the number `5`"), "put it in quotes"),
        (policy("owner: [a]"), ("P103", 4, "expected text, found a list"), ""),
        (policy("limits: []"), ("P103", 4, "expected a mapping, found a list"), ""),
        (policy("limits: {x: {per: key, rate: 5/s}}"), ("P103", 4, "expected a list, found the text `key`"), ""),
        (route("{scope: {a: b}}"), ("P103", 5, "a mapping is not text"), ""),
        (route("{timeout: 30}"), ("P104", 5, "a duration needs its unit"), "say 30s or 30ms"),
        (policy("auth: {window: 30}"), ("P104", 4, "a duration needs its unit"), "say 30s or 30ms"),
        (policy("limits: {x: {rate: 5/s}}"), ("P105", 4, "the field `per` is missing"), ""),
        (HEAD, ("P105", 1, "the field `routes` is missing"), ""),
        (policy("limits: {A_: {per: [key], rate: 5/s}}"), ("P106", 4, "`A_` is not a name"), None),
        (route("{scope: Read}"), ("P106", 5, "`Read` is not a scope"), None),
        (route("{cost: 0}"), ("P107", 5, "must be at least 1"), ""),
        (route("{cost: 10000001}"), ("P107", 5, "must be at most 10000000"), ""),
        (route("{schemes: []}"), ("P107", 5, "must have at least 1 entries"), ""),
        (route("{cost: {itmes: /orders}}"), ("P101", 5, "unknown field `itmes`"), "did you mean `items`?"),
        (
            policy("tiers: {mm: {key: {brust: 9}}}"),
            ("P101", 4, "unknown field `brust`"),
            "did you mean `burst`?",
        ),
        (route("{cost: {items: orders, max: 5}}"), ("P106", 5, "`orders` is not a JSON Pointer"), None),
        (
            route("{cost: {query: 'a b', default: 5, steps: {9: 5}}}"),
            ("P106", 5, "`a b` is not a parameter's name"),
            None,
        ),
        (route("{cost: {query: a, default: 5, steps: {1.5: 5}}}"), ("Y011", 5, "the key `1.5` is not text"), None),
        (route("{cost: {query: a, default: 5, steps: {x: 5}}}"), ("P104", 5, "`x` is not a step"), None),
        (route("{why: ''}"), ("P107", 5, "must have at least 1 characters"), ""),
        (
            policy("client_ip: {deny: [10.1.0.0/8]}"),
            ("P108", 4, "`10.1.0.0/8` is not a network"),
            "did you mean 10.0.0.0/8?",
        ),
        (policy("match: {hosts: ['*.example.com']}"), ("P108", 4, "`*.example.com` is not a host"), None),
    ],
)
def test_each_fault_of_shape_is_one_diagnostic(text: str, fault: tuple[str, int, str], hint: str | None) -> None:
    assert told(text) == [fault]
    if hint is not None:
        assert found(text)[0].help == hint


@pytest.mark.parametrize(
    ("text", "what", "instead"),
    [
        (policy("limits: {x: {per: [country], rate: 5/s}}"), "`country`", "write `client_ip: {deny: [file:deny.txt]}`"),
        (route("{upgrade: 1}"), "`upgrade`", "leave it out: guard speaks no WebSocket yet"),
    ],
)
def test_what_one_may_expect_and_does_not_exist_is_refused_by_name_with_what_to_do(
    text: str, what: str, instead: str
) -> None:
    (fault,) = found(text)
    assert (fault.code, fault.message) == ("P190", f"{what} is not part of the language")
    assert fault.help.startswith(instead)


def test_credentials_in_a_url_are_told_but_not_shown() -> None:
    text = HEAD.replace("http://127.0.0.1:8081", "http://user:hunter2@h") + ROUTES
    (fault,) = found(text)
    assert (fault.code, fault.source_line) == ("P108", "upstream: *********************")


def test_all_faults_of_all_parts_and_files_are_told_in_one_run_by_position() -> None:
    first = policy("auth: {scheme: nope}", "limits: {x: {per: [key], rat: 5/s}}", "fields: {drop: [host]}")
    second = "version: 1\nservice: two\nmode: of\nroutes: {}\nmatch: {hosts: [b]}\n"
    assert [(one.file, one.line, one.code) for one in found(first, second)] == [
        ("p0.yaml", 4, "P202"),
        ("p0.yaml", 5, "P101"),
        ("p0.yaml", 6, "P107"),
        ("p1.yaml", 1, "P105"),
        ("p1.yaml", 3, "P102"),
        ("p1.yaml", 4, "P107"),
    ]


def test_nothing_is_judged_on_what_could_not_be_read() -> None:
    limits = "limits: {x: {per: [key], rate: 5/s, routes: [orders]}}"
    assert codes(policy(limits, routes="routes:\n  POST /v1/orders: {group: 5}\n")) == ["P103"]
    assert codes(policy("auth: {scheme: 5}", routes="routes:\n  POST /v1/x: {window: 99h}\n")) == ["P103"]


def test_a_file_full_of_faults_is_told_a_hundred_of_them() -> None:
    assert len(found(policy(*(f"x{number}: 1" for number in range(500))))) == 100
