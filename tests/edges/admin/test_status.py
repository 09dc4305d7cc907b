"""What is in force, as it is."""

from pathlib import Path

from guard.model.policy import PolicySet
from guard.policy.diagnostic import Diagnostic
from guard.policy.load import Invalid
from guard.service.policies import Rulebook, read_rulebook, rulebook_of
from guard.state.policy_history import Contents
from tests.edges.admin.office import START, opened_office
from tests.state.key_records import deed
from tests.state.test_nodes import node

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


async def test_every_node_of_the_database_is_told_and_where_its_keys_are(tmp_path: Path) -> None:
    async with opened_office(tmp_path) as office:
        for name in ("n1", "n2"):
            await office.vault.nodes.enter(node(name), office.now)
        await office.ask("POST", "/admin/v1/keys", {"account": "acme"})
        told = (await office.ask("GET", "/admin/v1/nodes", by="viewer")).json
    assert [(each["id"], each["host"], each["revision"]) for each in told["items"]] == [
        ("n1", "host", 0),
        ("n2", "host", 0),
    ]
    assert told["revision"] == 1


async def test_an_administrator_has_the_policies_read_again_and_is_told_each_fault_with_its_place(
    tmp_path: Path,
) -> None:
    fault = Diagnostic(code="P101", message="unknown field `cots`", file="a.yaml", line=14, column=19, help="cost?")
    async with opened_office(tmp_path / "home", policies=PolicySet(services=(), digest="3f2a91c")) as office:
        assert (await office.ask("POST", "/admin/v1/policy:reload", by="operator", body={})).status == 403
        done = (await office.ask("POST", "/admin/v1/policy:reload", by="admin", body={"why": "INC-42"})).json
        assert (done["outcome"], done["digest"], done["by"], done["why"]) == (
            *("unchanged", "3f2a91c"),
            *("admin", "INC-42"),
        )
        assert (await office.ask("GET", "/admin/v1/policy", by="viewer")).json["stale"] is False
        office.policy_found = Invalid((fault,))
        done = (await office.ask("POST", "/admin/v1/policy:reload", by="admin", body={})).json
        assert (done["outcome"], done["digest"]) == ("refused", "3f2a91c")
        assert done["diagnostics"] == [
            {
                "code": "P101",
                "severity": "error",
                "message": "unknown field `cots`",
                "file": "a.yaml",
                "line": 14,
                "column": 19,
                "help": "cost?",
            }
        ]
        told = (await office.ask("GET", "/admin/v1/policy", by="viewer")).json
        assert (told["stale"], told["last_reload"]) == (True, done)


async def test_an_administrator_puts_a_version_in_force_again_whatever_the_files_say(tmp_path: Path) -> None:
    files = {"exchange.yaml": POLICY.encode()}
    rules = rulebook_of(files)
    assert isinstance(rules, Rulebook)
    digest = rules.policies.digest
    async with opened_office(tmp_path / "home", policies=PolicySet(services=(), digest="3f2a91c")) as office:
        await office.vault.policies.add(Contents(digest, files), Contents("3f2a91c", {}), "tightens 1", deed("reload"))
        told = (await office.ask("GET", "/admin/v1/policy/versions", by="viewer")).json
        assert [(each["digest"], each["summary"]) for each in told["items"]] == [
            ("3f2a91c", "tightens 1"),
            (digest, ""),
        ]
        back = {"digest": digest, "why": "INC-42"}
        assert (await office.ask("POST", "/admin/v1/policy:rollback", by="operator", body=back)).status == 403
        done = (await office.ask("POST", "/admin/v1/policy:rollback", by="admin", body=back)).json
        assert (done["outcome"], done["digest"], done["why"]) == ("swapped", digest, "INC-42")
        assert (await office.ask("GET", "/admin/v1/policy", by="viewer")).json["digest"] == digest
        unknown, odd = {"digest": "0000000"}, {"digest": "../a"}
        assert (await office.ask("POST", "/admin/v1/policy:rollback", by="admin", body=unknown)).status == 422
        assert (await office.ask("POST", "/admin/v1/policy:rollback", by="admin", body=odd)).status == 400


async def test_a_version_whose_tests_fail_by_now_is_not_put_in_force_again(tmp_path: Path) -> None:
    failing = POLICY + "tests:\n  - {name: open, send: GET /v1/x, expect: allow, unsigned: true}\n"
    found = rulebook_of({"exchange.yaml": failing.encode()})
    assert isinstance(found, Rulebook), found
    kept, digest = Contents(found.policies.digest, found.files), found.policies.digest
    async with opened_office(tmp_path / "home", policies=PolicySet(services=(), digest="3f2a91c")) as office:
        await office.vault.policies.add(kept, Contents("3f2a91c", {}), "", deed("reload"))
        body = {"digest": digest}
        done = (await office.ask("POST", "/admin/v1/policy:rollback", by="admin", body=body)).json
        assert (done["outcome"], done["digest"]) == ("refused", "3f2a91c")
        assert "P601" in [one["code"] for one in done["diagnostics"]]


async def test_the_files_that_run_are_told_by_path_whatever_lies_on_the_disk(tmp_path: Path) -> None:
    found = rulebook_of({"exchange.yaml": POLICY.encode()})
    assert isinstance(found, Rulebook)
    async with opened_office(tmp_path / "home", policies=PolicySet(services=(), digest="3f2a91c")) as office:
        await office.vault.policies.add(
            Contents(found.policies.digest, found.files), Contents("3f2a91c", {}), "", deed()
        )
        body = {"digest": found.policies.digest}
        await office.ask("POST", "/admin/v1/policy:rollback", by="admin", body=body)
        told = (await office.ask("GET", "/admin/v1/policy/files", by="viewer")).json
        assert told == {"digest": found.policies.digest, "files": {"exchange.yaml": POLICY}}
