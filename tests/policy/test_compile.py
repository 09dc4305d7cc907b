from pathlib import Path

from guard.model.policy import Route, Service
from guard.model.rules import Mode, Rule
from guard.policy.load import Loaded, load_policies
from tests.policy_text import found, loaded, policy, routes, service, told

ROOT = Path(__file__).parents[2]
WITHDRAWALS = "routes:\n  POST /a: {scope: withdraw}\n  POST /b: {scope: trade}\n"


def test_a_service_is_compiled_with_everything_resolved() -> None:
    text = policy(
        "match: {hosts: [API.example.com, '[::1]'], prefix: /v1}",
        "fields: {drop: [X-Debug]}",
        "auth: {schemes: [guard-v1, api-key], api_key: {field: X-API-Key}, accept_replayable: true}",
    )
    one = service(text)
    assert (one.name, one.mode, one.prefix) == ("exchange", Mode.ENFORCE, b"/v1")
    assert one.hosts == {b"api.example.com", b"[::1]"}
    assert one.rule == Rule("service", "p0.yaml", 2)
    assert one.drop_fields == {b"x-debug"}
    assert one.secrets == {b"x-api-key"}
    assert one.credentials >= {b"guard-key", b"guard-signature", b"guard-nonce", b"x-api-key"}


def test_a_service_knows_only_the_credentials_that_its_routes_accept() -> None:
    assert b"x-mbx-apikey" not in service(policy()).credentials
    named = policy(routes="routes:\n  GET /a: {}\n  GET /b: {schemes: [binance]}\n")
    assert b"x-mbx-apikey" in service(named).credentials


def test_a_route_is_compiled_with_everything_resolved() -> None:
    text = policy(
        "limits: {ip: {per: [ip], rate: 5/s}, key: {per: [key], rate: 5/s}}",
        routes="routes:\n  DELETE /v1/orders/{id}: {scope: trade, group: cancels, priority: critical, cost: 2}\n",
    )
    route = routes(text)["DELETE /v1/orders/{id}"]
    assert (route.method, route.template, route.scope, route.group) == ("DELETE", "/v1/orders/{id}", "trade", "cancels")
    assert (route.critical, route.cost, route.reads) == (True, 2, False)
    assert route.rule == Rule("routes.DELETE /v1/orders/{id}", "p0.yaml", 6)
    assert [one.name for one in route.limits_address] == ["ip"]
    assert [one.name for one in route.limits_principal] == ["key"]


def test_get_and_head_read_and_nothing_else_does_unless_said() -> None:
    text = policy(
        routes="routes:\n  GET /a: {}\n  HEAD /b: {}\n  ANY /c: {}\n"
        "  POST /d: {reads: true}\n  GET /e: {reads: false}\n"
    )
    assert {name: route.reads for name, route in routes(text).items()} == {
        "GET /a": True,
        "HEAD /b": True,
        "ANY /c": False,
        "POST /d": True,
        "GET /e": False,
    }


def test_the_widest_lead_of_all_services_is_known() -> None:
    narrow = policy("auth: {window: {past: 5s, future: 10ms}}")
    assert loaded(narrow).policies.future_ms_max == 10
    other = policy("match: {hosts: [b]}\nauth: {window: 5s}").replace("service: exchange", "service: two")
    assert loaded(narrow, other).policies.future_ms_max == 1_000
    assert loaded(policy(routes="routes:\n  GET /a: {auth: none}\n")).policies.future_ms_max == 0


def test_an_open_route_that_does_more_than_read_is_a_warning() -> None:
    text = policy(routes="routes:\n  POST /a: {auth: none}\n  ANY /b: {auth: none}\n  HEAD /c: {auth: none}\n")
    assert [fault[:2] for fault in told(text)] == [("P401", 5), ("P401", 6)]


def test_what_http_needs_cannot_be_dropped() -> None:
    assert told(policy("fields: {drop: [X-A, Content-Length]}")) == [
        ("P107", 4, "`content-length` cannot be dropped: HTTP needs it")
    ]


def shipped(name: str) -> Service:
    result = load_policies(ROOT / "policies" / f"{name}.yaml", environment={})
    assert isinstance(result, Loaded)
    return result.policies.services[0]


def exchange() -> dict[str, Route]:
    return routes((ROOT / "policies" / "exchange.yaml").read_text())


def test_the_demo_answers_under_any_authority() -> None:
    assert (shipped("exchange").hosts, shipped("exchange").prefix) == (frozenset(), b"/")
    assert shipped("example").hosts == {b"api.example.com"}


def test_the_demo_opens_only_what_shows_nothing_of_anyone() -> None:
    assert {name for name, route in exchange().items() if route.auth is None} == {
        "GET /v1/time",
        "GET /v1/depth",
        "GET /api/v3/depth",
        "GET /api/v3/time",
        "GET /api/v3/ping",
        "GET /api/v3/exchangeInfo",
    }


def test_the_demo_demands_trade_for_whatever_moves_an_order() -> None:
    for name, route in exchange().items():
        if route.auth is not None:
            assert route.scope == ("read" if name.startswith("GET ") else "trade")
            assert route.auth.schemes == (("binance",) if "/api/v3/" in name else ("guard-v1",))


def test_an_order_flood_on_the_demo_leaves_the_way_out_open() -> None:
    found = exchange()
    flooded = found["POST /v1/orders"]
    cancel = found["DELETE /v1/orders/{id}"]
    assert cancel.critical
    assert {one.name for one in (*cancel.limits_address, *cancel.limits_principal)} == {"ip-cancels", "cancels"}
    assert {one.name for one in (*flooded.limits_address, *flooded.limits_principal)} == {"ip", "key", "orders"}
    by_name = {one.name: one.meter for one in (*flooded.limits_address, *flooded.limits_principal)}
    assert by_name["ip"].capacity >= 200 > by_name["key"].capacity


def test_scopes_under_dual_control_are_those_of_all_files() -> None:
    one = policy("dual_control: {scopes: [withdraw]}", "match: {hosts: [a.test]}", routes=WITHDRAWALS)
    other = policy("dual_control: {scopes: [trade]}", routes=WITHDRAWALS).replace("exchange", "other")
    assert loaded(one, other).policies.dual_control == {"withdraw", "trade"}
    assert loaded(policy()).policies.dual_control == frozenset()


def test_one_file_that_wants_two_persons_for_what_weakens_is_enough() -> None:
    strict = policy("dual_control: {changes: weakens}", "match: {hosts: [a.test]}", routes=WITHDRAWALS)
    assert loaded(strict, policy(routes=WITHDRAWALS).replace("exchange", "other")).policies.changes_by_two
    assert not loaded(policy()).policies.changes_by_two


def test_a_scope_under_dual_control_that_no_route_needs_is_a_slip_of_the_pen() -> None:
    text = policy("dual_control: {scopes: [withdrawl]}", routes=WITHDRAWALS)
    assert told(text) == [("P206", 4, "no route of this file needs the scope `withdrawl`")]
    assert [one.help for one in found(text)] == ["did you mean `withdraw`?"]
