"""The rules in force, or every diagnostic that keeps them from it."""

from pathlib import Path

from guard.policy.load import Invalid
from guard.service.policies import Rulebook, moved, read_rulebook, rulebook_of

_POLICIES = Path(__file__).parent.parent.parent / "policies"
_POLICY = """
version: 1
service: exchange
upstream: http://127.0.0.1:8081
routes: {POST /v1/orders: {scope: trade}}
tests:
  - {send: POST /v1/orders, as: {scopes: [trade]}, expect: allow}
"""


def _read(tmp_path: Path, more: str = "") -> Rulebook | Invalid:
    (tmp_path / "exchange.yaml").write_text(_POLICY + more)
    return read_rulebook(tmp_path)


def test_the_rules_of_a_directory_are_its_policies_and_the_schemes_they_accept() -> None:
    rules = read_rulebook(_POLICIES)
    assert isinstance(rules, Rulebook)
    assert {service.name for service in rules.policies.services} == {"exchange", "example"}
    assert "guard-v1" in rules.schemes


def test_a_directory_with_any_fault_has_no_rules(tmp_path: Path) -> None:
    (tmp_path / "exchange.yaml").write_text("version: 1\nservice: exchange\n")
    assert isinstance(read_rulebook(tmp_path), Invalid)


def test_a_policy_whose_tests_fail_has_no_rules(tmp_path: Path) -> None:
    assert isinstance(_read(tmp_path), Rulebook)
    refused = _read(tmp_path, "  - {send: POST /v1/orders, expect: allow}\n")
    assert isinstance(refused, Invalid)
    (fault,) = refused.diagnostics
    assert (fault.code, fault.line, fault.severity.value) == ("P601", 8, "error")


def test_a_test_beside_the_policy_counts_as_much(tmp_path: Path) -> None:
    (tmp_path / "more.test.yaml").write_text("service: exchange\ntests: [{send: GET /v1/x, expect: allow}]\n")
    refused = _read(tmp_path)
    assert isinstance(refused, Invalid)
    assert [(Path(one.file).name, one.line) for one in refused.diagnostics] == [("more.test.yaml", 2)]


def test_a_test_that_is_to_be_done_may_fail(tmp_path: Path) -> None:
    assert isinstance(_read(tmp_path, "  - {todo: true, send: POST /v1/orders, expect: allow}\n"), Rulebook)


def test_contents_that_were_read_make_the_same_rules_without_the_files(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text((_POLICIES / "exchange.yaml").read_text())
    rules = read_rulebook(tmp_path)
    assert isinstance(rules, Rulebook)
    assert rules.files == {str(file): file.read_bytes()}
    file.unlink()
    again = rulebook_of(rules.files)
    assert isinstance(again, Rulebook)
    assert again.policies.digest == rules.policies.digest
    assert again.policies.services[0].rule.file == rules.policies.services[0].rule.file


def test_contents_that_were_tested_before_are_not_tested_again(tmp_path: Path) -> None:
    rules = _read(tmp_path)
    assert isinstance(rules, Rulebook)
    failing = {path: content + b"  - {send: POST /v1/orders, expect: allow}\n" for path, content in rules.files.items()}
    assert isinstance(rulebook_of(failing), Rulebook)


def test_files_of_another_node_lie_where_this_one_keeps_its_own() -> None:
    assert moved({"/there/a.yaml": b"a"}, {"/here/b.yaml": b"b"}) == {"/here/a.yaml": b"a"}
    assert moved({"/there/a.yaml": b"a"}, {}) == {"/there/a.yaml": b"a"}
