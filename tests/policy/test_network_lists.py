"""Lists of networks in files: what they may hold, and what becomes of a policy that names one."""

import pytest

from guard.model.networks import Networks
from guard.policy.load import Invalid, Loaded, load_text
from guard.policy.network_lists import NETWORKS_MAX, read_list
from tests.policy_text import policy

_DENY = policy("client_ip: {deny: [10.0.0.0/8, 'file:deny.txt']}")
_ROUTES = "routes:\n  GET /v1/x: {scope: read, allow_ips: file:office.txt}\n"


def _loaded(text: str, **lists: str) -> Loaded:
    found = load_text({"a.yaml": text, **{f"{name}.txt": written for name, written in lists.items()}})
    assert isinstance(found, Loaded), found
    return found


def _told(text: str, **lists: str) -> list[tuple[str, str, int, str, str]]:
    found = load_text({"a.yaml": text, **{f"{name}.txt": written for name, written in lists.items()}})
    assert isinstance(found, Invalid)
    return [(one.code, one.file, one.line, one.message, one.help) for one in found.diagnostics]


def test_a_list_holds_one_network_a_line_and_comments() -> None:
    text = "# scanners\n\n192.0.2.7\n  198.51.100.0/24  # since May\n2001:db8::/32\r\n"
    assert read_list(text.encode(), "deny.txt") == ("192.0.2.7/32", "198.51.100.0/24", "2001:db8::/32")


def test_a_list_stands_where_a_network_may_beside_others_or_alone() -> None:
    [service] = _loaded(_DENY, deny="192.0.2.7\n").policies.services
    assert service.client_ip.deny == ("10.0.0.0/8", "192.0.2.7/32")
    [service] = _loaded(
        policy("client_ip: {allow: file:in.txt, deny: file:deny.txt}"), **{"in": "10.0.0.0/8", "deny": ""}
    ).policies.services
    assert (service.client_ip.allow, service.client_ip.deny) == (("10.0.0.0/8",), ())
    assert isinstance(service.client_ip.allow, Networks)
    [service] = _loaded(policy(routes=_ROUTES), office="192.0.2.0/24").policies.services
    route = next(iter(service.routes.routes()))
    assert route.networks is not None
    assert route.networks.allow == ("192.0.2.0/24",)


def test_a_bad_line_is_told_with_file_line_and_remedy_once_however_many_name_the_list() -> None:
    text = policy("client_ip: {deny: file:deny.txt, allow: [file:deny.txt]}")
    assert _told(text, deny="10.0.0.1/8\n192.0.2.7\nnobody # x\n") == [
        ("P112", "deny.txt", 1, "`10.0.0.1/8` is not a network", "did you mean 10.0.0.0/8?"),
        ("P112", "deny.txt", 3, "`nobody` is not a network", "write 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32"),
    ]


def test_a_missing_list_is_told_where_it_is_named() -> None:
    assert _told(_DENY) == [
        ("P111", "a.yaml", 4, "no file `deny.txt`", "a list stands beside the policy that names it")
    ]


@pytest.mark.parametrize("written", ["", "# nobody yet\n"])
def test_an_empty_list_never_lets_everybody_in(written: str) -> None:
    both = policy("client_ip: {allow: [file:in.txt]}", routes=_ROUTES)
    found = _told(both, **{"in": written, "office": written})
    assert [(code, line, message) for code, _, line, message, _ in found] == [
        ("P112", 4, "these lists hold no network"),
        ("P112", 6, "these lists hold no network"),
    ]
    assert isinstance(load_text({"a.yaml": _DENY, "deny.txt": written}), Loaded), "of whom to refuse there may be none"


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("file:../deny.txt", "P106"),
        ("file:/etc/deny.txt", "P106"),
        ("file:deny.csv", "P106"),
        ("file:.txt", "P106"),
        ("file:", "P106"),
        ("192.0.2.7/99", "P108"),
    ],
)
def test_a_list_is_a_file_beside_the_policy_and_no_other(written: str, code: str) -> None:
    text = policy(f"client_ip: {{deny: ['{written}']}}")
    assert [found for found, *_ in _told(text)] == [code]


def test_no_proxy_is_trusted_by_a_list() -> None:
    [(code, *_, message, hint)] = _told(policy("client_ip: {trust: ['file:deny.txt']}"), deny="10.0.0.0/8")
    assert (code, message) == ("P108", "`file:deny.txt` is not a network")
    assert hint == "lists in files are for `allow` and `deny` of `client_ip`, and for `allow_ips`"


def test_a_list_has_a_bound() -> None:
    most = "".join(f"10.{number >> 8}.{number & 255}.7\n" for number in range(NETWORKS_MAX))
    assert len(read_list(most.encode(), "deny.txt")) == NETWORKS_MAX
    [fault] = read_list(f"{most}192.0.2.7\n192.0.2.8\n".encode(), "deny.txt")
    assert not isinstance(fault, str)
    assert (fault.line, fault.message) == (NETWORKS_MAX + 1, "`192.0.2.7` is one more than 50,000 networks")
    [large] = read_list(b"#" * (1 << 20) + b"\n", "deny.txt")
    assert not isinstance(large, str)
    assert large.code == "Y014"


def test_no_more_than_twenty_bad_lines_are_told() -> None:
    assert len(read_list(b"nobody\n" * 100, "deny.txt")) == 20
