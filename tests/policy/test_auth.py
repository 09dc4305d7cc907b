import pytest

from guard.model.keys import KeyAlgorithm
from guard.model.policy import RouteAuth, Window
from guard.model.rules import Rule
from guard.policy.load import Loaded, load_text
from tests.policy_text import HEAD, loaded, policy, routes, told

GET = "routes:\n  GET /v1/x: {}\n"
HMAC, ED25519, RSA = KeyAlgorithm.HMAC_SHA256, KeyAlgorithm.ED25519, KeyAlgorithm.RSA


def auth_of(auth: str, route: str = "{}", key: str = "GET /v1/x") -> RouteAuth:
    found = routes(policy(f"auth: {auth}", routes=f"routes:\n  {key}: {route}\n"))[key].auth
    assert found is not None
    return found


def faults(auth: str, route: str = "{}", key: str = "GET /v1/x") -> list[tuple[str, int, str]]:
    return told(policy(f"auth: {auth}", routes=f"routes:\n  {key}: {route}\n"))


def test_without_a_word_on_auth_guard_v1_is_demanded() -> None:
    found = routes(policy(routes=GET))["GET /v1/x"].auth
    assert found == RouteAuth(
        rule=Rule("auth", "p0.yaml", 1),
        schemes=("guard-v1",),
        algorithms=frozenset({HMAC, ED25519}),
        windows=(Window(5_000, 1_000),),
        remember_ms=(5_000,),
    )


def test_an_open_route_has_no_auth() -> None:
    assert routes(policy(routes="routes:\n  GET /v1/time: {auth: none}\n"))["GET /v1/time"].auth is None


def test_schemes_keep_their_order_and_bring_their_algorithms() -> None:
    found = auth_of("{schemes: [binance, guard-v1]}")
    assert found.schemes == ("binance", "guard-v1")
    assert found.algorithms == {HMAC, ED25519, RSA}


def test_a_route_names_schemes_in_place_of_the_services_and_is_its_own_rule() -> None:
    found = auth_of("{scheme: guard-v1}", "{schemes: [binance]}")
    assert found.schemes == ("binance",)
    assert found.algorithms == {HMAC, ED25519, RSA}
    assert found.rule == Rule("routes.GET /v1/x", "p0.yaml", 6)


def test_algorithms_narrow_and_what_they_exclude_falls_away() -> None:
    assert auth_of("{algorithms: [ed25519]}").algorithms == {ED25519}
    assert auth_of("{schemes: [guard-v1, binance]}", "{algorithms: [rsa]}").schemes == ("binance",)
    assert auth_of("{algorithms: [hmac-sha256, rsa]}", "{schemes: [binance]}").algorithms == {HMAC, RSA}


@pytest.mark.parametrize(
    ("auth", "route", "windows"),
    [
        ("{scheme: guard-v1}", "{}", (Window(5_000, 1_000),)),
        ("{scheme: guard-v1, window: 3s}", "{}", (Window(3_000, 1_000),)),
        ("{scheme: guard-v1, window: 60s}", "{}", (Window(60_000, 1_000),)),
        ("{scheme: guard-v1, window: {past: 3s, future: 200ms}}", "{}", (Window(3_000, 200),)),
        ("{scheme: guard-v1}", "{window: 2s}", (Window(2_000, 1_000),)),
        ("{scheme: guard-v1, window: {past: 3s, future: 200ms}}", "{window: 2s}", (Window(2_000, 200),)),
        ("{scheme: guard-v1}", "{window: {past: 2s, future: 5ms}}", (Window(2_000, 5),)),
        ("{schemes: [guard-v1, binance], window: 9s}", "{}", (Window(9_000, 1_000), Window(9_000, 1_000))),
        ("{schemes: [guard-v1, api-key], window: 9s}", "{}", (Window(9_000, 1_000), Window(0, 0))),
        ("{schemes: [guard-v1, api-key]}", "{window: 2s}", (Window(2_000, 1_000), Window(0, 0))),
    ],
)
def test_a_window_is_the_routes_else_the_services_else_the_schemes(
    auth: str, route: str, windows: tuple[Window, ...]
) -> None:
    assert auth_of(auth, route).windows == windows


def test_a_message_is_remembered_for_the_widest_window_of_any_service() -> None:
    wide = policy("match: {hosts: [a]}\nauth: {scheme: guard-v1, window: 30s}", routes=GET)
    narrow = policy("match: {hosts: [b]}\nauth: {schemes: [guard-v1, binance], window: 2s}", routes=GET)
    other = narrow.replace("service: exchange", "service: other")
    _, second = loaded(wide, other).policies.services
    auth = second.routes.literals[b"v1"].literals[b"x"].here["GET"].auth
    assert auth is not None
    assert (auth.schemes, auth.remember_ms) == (("guard-v1", "binance"), (30_000, 2_000))


@pytest.mark.parametrize(
    ("auth", "route", "fault"),
    [
        ("{scheme: guard-v2}", "{}", ("P202", 4, "no scheme `guard-v2`")),
        ("{schemes: [guard-v1, nope]}", "{}", ("P202", 4, "no scheme `nope`")),
        ("{scheme: guard-v1}", "{schemes: [bnance]}", ("P202", 6, "no scheme `bnance`")),
        ("{schemes: [guard-v1, guard-v1]}", "{}", ("P110", 4, "`guard-v1` is named twice")),
        ("{scheme: binance, schemes: [guard-v1]}", "{}", ("P110", 4, "`scheme` and `schemes` say the same: keep one")),
        ("{algorithms: [rsa, ed25519]}", "{}", ("P203", 4, "none of the accepted schemes takes rsa")),
        (
            "{schemes: [guard-v1, binance], algorithms: [rsa]}",
            "{}",
            ("P203", 4, "the scheme `guard-v1` is left without an algorithm"),
        ),
        (
            "{algorithms: [ed25519]}",
            "{algorithms: [hmac-sha256]}",
            ("P203", 6, "a route may only narrow: hmac-sha256 not among the service's algorithms"),
        ),
        ("{scheme: guard-v1}", "{algorithms: [rsa]}", ("P203", 6, "none of the accepted schemes takes rsa")),
        (
            "{algorithms: [ed25519]}",
            "{schemes: [api-key]}",
            ("P203", 6, "no algorithm is left: the service's `algorithms` take none of these schemes' keys"),
        ),
        ("{window: 61s}", "{}", ("P405", 4, "`guard-v1` allows at most 1m")),
        ("{window: {past: 5s, future: 2s}}", "{}", ("P405", 4, "`guard-v1` allows a lead of at most 1s")),
        ("{scheme: api-key, window: 5s}", "{}", ("P405", 4, "none of the accepted schemes signs a time")),
        (
            "{scheme: guard-v1}",
            "{schemes: [api-key], window: 5s}",
            ("P405", 6, "none of the accepted schemes signs a time"),
        ),
        (
            "{window: 5s}",
            "{window: 6s}",
            ("P405", 6, "a route may only narrow the window of `guard-v1`: 5s past, 1s future"),
        ),
        (
            "{window: {past: 5s, future: 10ms}}",
            "{window: {past: 5s, future: 11ms}}",
            ("P405", 6, "a route may only narrow the window of `guard-v1`: 5s past, 10ms future"),
        ),
        ("{api_key: {field: X-API-Key}}", "{}", ("P110", 4, "no route accepts the scheme `api-key`")),
    ],
)
def test_what_cannot_be_meant_is_refused_once(auth: str, route: str, fault: tuple[str, int, str]) -> None:
    assert faults(auth, route) == [fault]


def test_a_fault_of_the_service_is_not_repeated_by_its_routes() -> None:
    text = policy(
        "auth: {scheme: nope}", routes="routes:\n  GET /a: {}\n  GET /b: {window: 1s}\n  GET /c: {window: 2s}\n"
    )
    assert [fault[0] for fault in told(text)] == ["P202"]


def test_a_misspelt_scheme_is_told_its_name() -> None:
    assert _found("{scheme: guard-v2}") == ["did you mean `guard-v1`?"]


def _found(auth: str) -> list[str]:
    result = load_text({"p.yaml": policy(f"auth: {auth}", routes=GET)})
    assert not isinstance(result, Loaded)
    return [one.help for one in result.diagnostics]


def test_a_scheme_for_another_transport_is_refused() -> None:
    own = (
        "scheme: fixed\ntransport: fix\nguarantee: window\nunbound: [body, key]\n"
        "take: {key: [fix:553], signature: [fix:96], timestamp: [fix:52]}\n"
        "algorithms: {ed25519: {encoding: base64}}\nbase: '{join(SOH,fix:35,fix:49,fix:56,fix:34,fix:52)}'\n"
        "time: {unit: fix_utc, past_ms: 5000, future_ms: 1000, past_ms_max: 60000}\n"
    )
    result = load_text({"fixed.scheme.yaml": own, "p.yaml": policy("auth: {scheme: fixed}", routes=GET)})
    assert not isinstance(result, Loaded)
    messages = [(one.code, one.message) for one in result.diagnostics if one.file == "p.yaml"]
    assert messages == [("P202", "the scheme `fixed` is for fix, not for HTTP")]


REPLAYABLE = "`api-key` messages can be sent again for ever, and `POST /v1/x` does more than read"


@pytest.mark.parametrize(
    ("auth", "route", "fine"),
    [
        ("{scheme: api-key}", "{}", False),
        ("{scheme: api-key}", "{reads: true}", True),
        ("{scheme: api-key}", "{accept_replayable: true}", True),
        ("{scheme: api-key, accept_replayable: true}", "{}", True),
        ("{scheme: guard-v1}", "{schemes: [guard-v1, api-key]}", False),
        ("{schemes: [guard-v1, api-key]}", "{algorithms: [ed25519]}", True),
    ],
)
def test_what_can_be_sent_again_for_ever_must_be_accepted_in_writing(auth: str, route: str, *, fine: bool) -> None:
    assert faults(auth, route, "POST /v1/x") == ([] if fine else [("P407", 6, REPLAYABLE)])


def test_get_that_does_more_than_read_is_no_exception() -> None:
    assert [fault[0] for fault in faults("{scheme: api-key}", "{reads: false}")] == ["P407"]


def test_the_api_key_in_another_field_counts_only_where_it_is_named() -> None:
    text = policy(
        "auth: {api_key: {field: X-API-Key}}", routes="routes:\n  GET /a: {}\n  GET /b: {schemes: [api-key]}\n"
    )
    found = routes(text)
    schemes = {name: route.auth.schemes for name, route in found.items() if route.auth is not None}
    assert schemes == {"GET /a": ("guard-v1",), "GET /b": ("api-key:x-api-key",)}


@pytest.mark.parametrize(
    "field", ["scope: read", "schemes: [guard-v1]", "algorithms: [ed25519]", "window: 1s", "accept_replayable: true"]
)
def test_an_open_route_demands_nothing_of_a_key(field: str) -> None:
    name = field.partition(":")[0]
    text = HEAD + f"routes:\n  GET /v1/x: {{auth: none, {field}}}\n"
    assert told(text) == [("P110", 5, f"`auth: none` opens the route to anyone, so `{name}` means nothing")]


@pytest.mark.parametrize(
    "field",
    ["Host", "Content-Length", "Guard-Key", "Guard_Key", "X-Forwarded-For", "Cookie", "X-MBX-APIKEY", "Content-Digest"],
)
def test_the_api_key_takes_no_field_that_means_something_else(field: str) -> None:
    route = "{schemes: [api-key]}"
    shown = field.lower()
    assert faults(f"{{api_key: {{field: {field}}}}}", route) == [("P106", 4, f"`{shown}` already means something else")]


def test_the_api_keys_own_field_may_be_named() -> None:
    assert auth_of("{api_key: {field: Guard-Api-Key}}", "{schemes: [api-key]}").schemes == ("api-key",)
