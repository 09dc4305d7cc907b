"""What is in force, as it is."""

from pathlib import Path

from guard.service.policies import Rulebook, read_rulebook
from tests.edges.admin.office import START, opened_office

POLICY = """
version: 1
service: exchange
upstream: http://127.0.0.1:9
dual_control: {scopes: [trade]}
routes:
  GET /v1/time: {auth: none}
  GET /v1/{rest...}: {scope: read}
  POST /v1/orders/{id}: {scope: trade, group: orders, cost: 3, priority: critical}
"""


async def test_the_policies_in_force_are_told_route_by_route(tmp_path: Path) -> None:
    (tmp_path / "exchange.yaml").write_text(POLICY)
    rules = read_rulebook(tmp_path / "exchange.yaml")
    assert isinstance(rules, Rulebook)
    async with opened_office(tmp_path / "home", policies=rules.policies) as office:
        told = (await office.ask("GET", "/admin/v1/policy", by="viewer")).json
    assert (told["digest"], told["loaded_at_ms"], told["dual_control"]) == (rules.policies.digest, START, ["trade"])
    [service] = told["services"]
    assert (service["service"], service["mode"], service["backends"]) == ("exchange", "enforce", ["http://127.0.0.1:9"])
    assert [route["route"] for route in service["routes"]] == [
        "GET /v1/time",
        "GET /v1/{rest...}",
        "POST /v1/orders/{id}",
    ]
    assert service["routes"][0]["schemes"] == []
    assert service["routes"][2] == {
        "route": "POST /v1/orders/{id}",
        "scope": "trade",
        "group": "orders",
        "schemes": ["guard-v1"],
        "reads": False,
        "critical": True,
        "cost": 3,
    }


async def test_nodes_and_bans_are_lists(tmp_path: Path) -> None:
    async with opened_office(tmp_path) as office:
        nodes = (await office.ask("GET", "/admin/v1/nodes", by="viewer")).json["items"]
        assert [(node["id"], node["policy"], node["waiting_for"]) for node in nodes] == [("n1", "3f2a91c", [])]
        assert (await office.ask("GET", "/admin/v1/bans", by="viewer")).json == {"items": []}
