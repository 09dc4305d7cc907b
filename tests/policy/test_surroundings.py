import pytest

from guard.model.policy import ClientAddressPolicy, UpstreamPolicy
from guard.model.rules import Rule
from tests.policy_text import ROUTES, loaded, policy, routes, service, told

PLAIN = "version: 1\nservice: exchange\n"


def test_the_backend_has_defaults_for_all_but_its_url() -> None:
    assert service(policy()).upstream == UpstreamPolicy(
        url="http://127.0.0.1:8081",
        connect_ms=1_000,
        response_ms=5_000,
        idle_ms=4_000,
        connections_max=128,
        waiting_max=1_024,
    )


def test_everything_about_the_backend_can_be_said() -> None:
    upstream = (
        "upstream: {url: 'https://[::1]:9', timeout: {connect: 10ms, response: 2s, total: 3s}, "
        "max_body: 2KiB, connections: 3, waiting: 0}\n"
    )
    one = service(PLAIN + upstream + ROUTES)
    assert one.upstream == UpstreamPolicy(
        url="https://[::1]:9",
        connect_ms=10,
        response_ms=2_000,
        idle_ms=4_000,
        connections_max=3,
        waiting_max=0,
    )


def test_a_route_has_its_own_body_size_and_total_time_or_the_services() -> None:
    found = routes(policy(routes="routes:\n  PUT /a: {max_body: 5B, timeout: 30s}\n  PUT /b: {}\n"))
    assert [(found[name].max_body_bytes, found[name].total_ms) for name in ("PUT /a", "PUT /b")] == [
        (5, 30_000),
        (1_048_576, 10_000),
    ]


def test_the_url_may_be_a_variable_of_the_environment() -> None:
    text = PLAIN + "upstream: ${BACKEND}\n" + ROUTES
    (one,) = loaded(text, environment={"BACKEND": "http://Backend:80/"}).policies.services
    assert one.upstream.url == "http://backend:80"


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "the variable `${BACKEND}` is not set"),
        ({"BACKEND": "hunter2"}, "the variable `${BACKEND}` does not hold an http or https origin"),
        ({"BACKEND": "${OTHER}"}, "the variable `${BACKEND}` does not hold an http or https origin"),
    ],
)
def test_a_variable_that_does_not_help_is_refused_and_its_value_not_told(
    environment: dict[str, str], message: str
) -> None:
    assert told(PLAIN + "upstream: {url: '${BACKEND}'}\n" + ROUTES, environment=environment) == [("P109", 3, message)]


@pytest.mark.parametrize(
    ("upstream", "message"),
    [
        ("timeout: {total: 2h}", "at most 1h"),
        ("timeout: {connect: 11s}", "`connect` is longer than `total` (10s), and would never be reached"),
        ("timeout: {response: 4s, total: 3s}", "`response` is longer than `total` (3s), and would never be reached"),
        ("max_body: 65MiB", "at most 64MiB: a signed body is held in memory until it is verified"),
    ],
)
def test_what_would_hang_or_fill_the_memory_is_refused(upstream: str, message: str) -> None:
    assert told(PLAIN + f"upstream: {{url: 'http://h', {upstream}}}\n" + ROUTES) == [("P107", 3, message)]


def test_the_same_holds_for_a_route() -> None:
    text = policy(routes="routes:\n  PUT /a: {max_body: 65MiB}\n  PUT /b: {timeout: 61m}\n")
    assert [fault[:2] for fault in told(text)] == [("P107", 5), ("P107", 6)]


def test_client_addresses_are_those_of_the_peers_unless_said() -> None:
    assert service(policy()).client_ip == ClientAddressPolicy(rule=Rule("client_ip", "p0.yaml", 1))


def test_everything_about_client_addresses_can_be_said() -> None:
    text = policy(
        "client_ip: {trust: [10.0.0.0/8], header: X-Real-Client, allow: ['::/0'], deny: [192.0.2.1], v6_prefix: 56}"
    )
    assert service(text).client_ip == ClientAddressPolicy(
        rule=Rule("client_ip", "p0.yaml", 4),
        trust=("10.0.0.0/8",),
        field=b"x-real-client",
        allow=("::/0",),
        deny=("192.0.2.1/32",),
        v6_prefix=56,
    )


@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0"])
def test_trust_in_everyone_is_a_warning(network: str) -> None:
    message = "everyone is trusted to say for whom they speak, so that any client can choose its address"
    assert told(policy(f"client_ip: {{trust: [10.0.0.0/8, '{network}']}}")) == [("P404", 4, message)]


def test_a_field_that_nobody_may_set_is_a_warning() -> None:
    message = "`x-real-ip` is never read, because no proxy is trusted"
    assert told(policy("client_ip: {header: X-Real-IP}")) == [("P404", 4, message)]
