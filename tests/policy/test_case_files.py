from guard.policy.load import Invalid, Loaded, load_text
from tests.policy_text import policy

_POLICY = policy("limits: {key: {per: [key], rate: 20/s}}", "tests: [{send: GET /v1/time}]")


def _loaded(more: str, text: str = _POLICY) -> Loaded | Invalid:
    return load_text({"exchange.yaml": text, "more.test.yaml": more})


def _told(more: str, text: str = _POLICY) -> list[tuple[str, str, int]]:
    loaded = _loaded(more, text)
    assert isinstance(loaded, Invalid)
    return [(one.code, one.file, one.line) for one in loaded.diagnostics]


def test_tests_beside_a_policy_come_after_those_inside_it() -> None:
    loaded = _loaded("service: exchange\ntests:\n  - {name: beside, send: GET /v1/time, expect: allow}\n")
    assert isinstance(loaded, Loaded)
    assert [(case.name, case.place) for case in loaded.cases] == [
        ("GET /v1/time", "exchange.yaml:5"),
        ("beside", "more.test.yaml:3"),
    ]


def test_they_are_part_of_the_directorys_digest_but_not_of_the_services() -> None:
    one, other = (_loaded(f"service: exchange\ntests: [{{send: GET /v1/time, times: {times}}}]\n") for times in (1, 2))
    assert isinstance(one, Loaded)
    assert isinstance(other, Loaded)
    assert one.policies.digest != other.policies.digest
    assert one.policies.services[0].digest == other.policies.services[0].digest


def test_faults_have_their_places_in_the_tests_own_file() -> None:
    assert _told("service: exchnage\ntests: []\n") == [("P207", "more.test.yaml", 1)]
    assert _told("servic: exchange\ntests: []\n") == [("P101", "more.test.yaml", 1)]
    assert _told("service: exchange\ntests:\n  - {send: GET /, expect: limit.no}\n") == [("P207", "more.test.yaml", 3)]
    assert _told("service: exchange\n") == [("P105", "more.test.yaml", 1)]


def test_tests_of_limits_that_cannot_be_read_are_not_judged() -> None:
    broken = policy("limits: {key: {per: [key], rate: 20}}", "tests: [{send: GET /, expect: limit.key}]")
    assert _told("service: exchange\ntests: [{send: GET /, expect: limit.other}]\n", broken) == [
        ("P104", "exchange.yaml", 4)
    ]


def test_a_directory_of_tests_alone_is_no_policy() -> None:
    alone = load_text({"more.test.yaml": "service: exchange\ntests: []\n"})
    assert isinstance(alone, Invalid)
    assert {one.code for one in alone.diagnostics} == {"P192", "P207"}
