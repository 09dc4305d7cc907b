import pytest

from guard.model.policy import ClientAddressPolicy
from guard.model.rules import Rule
from guard.model.upstream_policy import APP, BreakerPolicy, HealthPolicy, UpstreamPolicy
from tests.policy_text import ROUTES, loaded, policy, routes, service, told

PLAIN = "version: 1\nservice: exchange\n"


def test_the_backend_has_defaults_for_all_but_its_url() -> None:
    assert service(policy()).upstream == UpstreamPolicy(
        urls=("http://127.0.0.1:8081",),
        connect_ms=1_000,
        response_ms=5_000,
        idle_ms=4_000,
        connections_max=128,
        waiting_max=1_024,
    )


def test_everything_about_the_backend_can_be_said() -> None:
    upstream = (
        "upstream: {url: 'https://[::1]:9', timeout: {connect: 10ms, response: 2s, total: 3s}, "
        "max_body: 2KiB, connections: 3, waiting: 0, assertion: ed25519}\n"
    )
    one = service(PLAIN + upstream + ROUTES)
    assert one.upstream == UpstreamPolicy(
        urls=("https://[::1]:9",),
        connect_ms=10,
        response_ms=2_000,
        idle_ms=4_000,
        connections_max=3,
        waiting_max=0,
        assertion=True,
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
    assert one.upstream.urls == ("http://backend:80",)


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


def test_the_application_itself_may_be_the_backend_and_then_what_is_said_of_connections_means_nothing() -> None:
    assert service(PLAIN + "upstream: app\n" + ROUTES).upstream.urls == (APP,)
    assert service(PLAIN + "upstream: {url: app, max_body: 2KiB, assertion: ed25519}\n" + ROUTES).upstream.urls == (
        APP,
    )
    text = PLAIN + "upstream: {url: '${BACKEND}', connections: 9}\nroutes:\n  PUT /a: {timeout: 5s}\n"
    assert told(text, environment={"BACKEND": "app"}) == [
        ("P110", 3, "`connections` means nothing where the application itself is the backend"),
        ("P110", 5, "`timeout` means nothing where the application itself is the backend"),
    ]


def upstream(text: str) -> str:
    return PLAIN + f"upstream: {text}\n" + ROUTES


def test_several_origins_may_stand_in_for_one_another() -> None:
    text = upstream("{urls: ['http://a:1', '${B}', 'http://C/']}")
    (one,) = loaded(text, environment={"B": "http://b"}).policies.services
    assert one.upstream.urls == ("http://a:1", "http://b", "http://c")


@pytest.mark.parametrize(
    ("part", "code", "message"),
    [
        ("{connections: 3}", "P105", "the field `url` is missing"),
        ("{url: 'http://a', urls: ['http://b']}", "P110", "`url` and `urls` exclude one another"),
        ("{urls: []}", "P107", "must have at least 1 entries"),
        (f"{{urls: [{', '.join(f'http://h{n}' for n in range(65))}]}}", "P107", "must have at most 64 entries"),
        ("{urls: ['http://a', 'http://A/']}", "P110", "the same origin a second time"),
        ("{urls: ['http://a', '${B}']}", "P110", "another scheme than an origin before it"),
        ("{urls: ['http://a', app]}", "P110", "`app` stands alone"),
        ("{urls: ['http://a', '${C}']}", "P109", "the variable `${C}` is not set"),
        ("{urls: ['http://a/b']}", "P108", "a URL with more than an origin"),
    ],
)
def test_origins_that_cannot_stand_together_are_refused(part: str, code: str, message: str) -> None:
    assert told(upstream(part), environment={"B": "https://b"}) == [(code, 3, message)]


def test_checks_and_breaker_have_defaults_for_all_but_the_path() -> None:
    plain = service(upstream("{url: 'http://h', health: {path: /healthz}, breaker: {}}")).upstream
    assert plain.health == HealthPolicy(path=b"/healthz", every_ms=2_000, timeout_ms=1_000, healthy=2, unhealthy=3)
    assert plain.breaker == BreakerPolicy(failures_percent=50, exchanges_min=20, window_ms=10_000, open_ms=5_000)
    none = service(upstream("http://h")).upstream
    assert (none.health, none.breaker, none.tls) == (None, None, None)


def test_everything_about_checks_and_breaker_can_be_said() -> None:
    said = service(
        upstream(
            "{url: 'http://h', health: {path: '/a?b', every: 1m, timeout: 2s, healthy: 1, unhealthy: 9}, "
            "breaker: {failures: 5%, min: 3, window: 1m, open: 250ms}}"
        )
    ).upstream
    assert said.health == HealthPolicy(path=b"/a?b", every_ms=60_000, timeout_ms=2_000, healthy=1, unhealthy=9)
    assert said.breaker == BreakerPolicy(failures_percent=5, exchanges_min=3, window_ms=60_000, open_ms=250)


@pytest.mark.parametrize(
    ("part", "code", "message"),
    [
        ("health: {}", "P105", "the field `path` is missing"),
        ("health: {path: healthz}", "P108", "`healthz` is not a path"),
        ("health: {path: /h, every: 1s, timeout: 2s}", "P107", "longer than `every` (1s)"),
        ("health: {path: /h, every: 99ms, timeout: 99ms}", "P107", "at least 100ms, at most 1h"),
        ("health: {path: /h, every: 2h}", "P107", "at least 100ms, at most 1h"),
        ("health: {path: /h, healthy: 0}", "P107", "must be at least 1"),
        ("breaker: {failures: 0.5}", "P104", "the number `0.5` is not a share"),
        ("breaker: {failures: 101%}", "P104", "`101%` is not a share"),
        ("breaker: {min: 0}", "P107", "must be at least 1"),
        ("breaker: {window: 2h}", "P107", "at least 100ms, at most 1h"),
        ("breaker: {open: 10ms}", "P107", "at least 100ms, at most 1h"),
        ("breaker: {minimum: 5}", "P101", "unknown field `minimum`"),
        ("tls: {verify: false}", "P101", "unknown field `verify`"),
        ("tls: {}", "P110", "`tls` is for https"),
    ],
)
def test_checks_and_breakers_that_never_rest_or_never_speak_are_refused(part: str, code: str, message: str) -> None:
    assert (code, 3, message) in told(upstream(f"{{url: 'http://h', {part}}}"))


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
