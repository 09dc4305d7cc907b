"""What is read of a directory, and what follows for who keeps and compares it."""

from pathlib import Path

import pytest

from guard.policy.diff import differences
from guard.policy.directions import Kind
from guard.policy.files import services_in
from guard.policy.load import Invalid, Loaded, load_contents, load_policies
from tests.policy_text import policy

_POLICY = policy("client_ip: {deny: file:deny.txt}")


def _written(folder: Path, deny: str) -> Loaded:
    (folder / "a.yaml").write_text(_POLICY)
    (folder / "deny.txt").write_text(deny)
    found = load_policies(folder, environment={})
    assert isinstance(found, Loaded), found
    return found


def test_a_list_is_one_of_the_files_of_a_policy_and_what_nobody_names_is_not(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no network")
    assert [Path(path).name for path in _written(tmp_path, "192.0.2.7\n").contents] == ["a.yaml", "deny.txt"]


def test_a_list_is_part_of_both_digests_of_what_names_it_and_of_no_other(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(policy("match: {hosts: [b]}").replace("service: exchange", "service: second"))
    before, after = (_written(tmp_path, deny).policies for deny in ("192.0.2.7\n", "192.0.2.8\n"))
    assert before.digest != after.digest
    assert before.services[0].digest != after.services[0].digest
    assert before.services[1].digest == after.services[1].digest


def test_what_was_read_is_the_same_policy_wherever_it_is_read_again(tmp_path: Path) -> None:
    before = _written(tmp_path, "192.0.2.7\n")
    (tmp_path / "deny.txt").unlink()
    again = load_contents(before.contents)
    assert isinstance(again, Loaded)
    assert again.policies.digest == before.policies.digest
    assert again.policies.services[0].client_ip.deny == ("192.0.2.7/32",)
    assert [document.name for document in services_in(before.contents)] == ["a.yaml"]


def test_one_file_finds_its_list_beside_it(tmp_path: Path) -> None:
    _written(tmp_path, "192.0.2.7\n")
    found = load_policies(tmp_path / "a.yaml", environment={})
    assert isinstance(found, Loaded)
    assert list(found.contents) == [str(tmp_path / "a.yaml"), str(tmp_path / "deny.txt")]


def test_a_list_that_cannot_be_opened_is_told_and_never_waited_for(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(_POLICY)
    (tmp_path / "deny.txt").mkdir()
    found = load_policies(tmp_path, environment={})
    assert isinstance(found, Invalid)
    assert [(one.code, one.line) for one in found.diagnostics] == [("P111", 4)]


def test_lists_count_towards_what_a_directory_may_hold(tmp_path: Path) -> None:
    names = [f"l{number}.txt" for number in range(5)]
    (tmp_path / "a.yaml").write_text(policy(f"client_ip: {{deny: [{', '.join(f'file:{name}' for name in names)}]}}"))
    for name in names:
        (tmp_path / name).write_bytes(b"#" * 1_000_000)
    found = load_policies(tmp_path, environment={})
    assert isinstance(found, Invalid)
    message = "cannot be read: with it the files are more than 4 MiB together"
    assert [(one.code, one.message) for one in found.diagnostics] == [("P111", message)]


def test_who_is_denied_no_more_weakens_and_long_lists_are_told_by_what_changed(tmp_path: Path) -> None:
    many = [f"192.0.2.{number}" for number in range(100)]
    before = _written(tmp_path, "\n".join(many))
    [change] = differences(before.policies, _written(tmp_path, "\n".join(many[1:])).policies)
    assert (change.kind, change.path) == (Kind.WEAKENS, "exchange client_ip deny")
    assert (change.old, change.new) == ("192.0.2.0/32 (1 of 100)", "(99)")
    [change] = differences(before.policies, _written(tmp_path, "\n".join([*many, "198.51.100.0/24"])).policies)
    assert (change.kind, change.old, change.new) == (Kind.TIGHTENS, "(100)", "198.51.100.0/24 (1 of 101)")


def test_a_policy_that_is_loaded_alone_finds_what_it_shares_beside_it(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(policy("limits: {use: [key]}"))
    (tmp_path / "_shared.yaml").write_text(
        "version: 1\nlimits:\n  key: {per: [key], rate: 5/s}\n  other: {per: [key], rate: 9/s}\n"
    )
    (tmp_path / "b.yaml").write_text("nonsense")
    found = load_policies(tmp_path / "a.yaml", environment={})
    assert isinstance(found, Loaded), found
    assert list(found.contents) == [str(tmp_path / "a.yaml"), str(tmp_path / "_shared.yaml")]
    assert found.warnings == (), "others may use the rest"


_TESTS = "service: {}\ntests: [{{send: GET /v1/time, expect: {}}}]\n"


def test_a_policy_that_is_loaded_alone_finds_its_tests_beside_it_and_no_others(tmp_path: Path) -> None:
    alone = tmp_path / "a.yaml"
    alone.write_text(policy())
    (tmp_path / "x.test.yaml").write_text(_TESTS.format("exchange", "allow"))
    (tmp_path / "y.test.yaml").write_text(_TESTS.format("other", "allow"))
    (tmp_path / ".z.test.yaml").write_text("nonsense")
    found = load_policies(alone, environment={})
    assert isinstance(found, Loaded), found
    assert [Path(case.place).name for case in found.cases] == ["x.test.yaml:2"]
    assert list(found.contents) == [str(alone), str(tmp_path / "x.test.yaml")]
    again = load_contents(found.contents, environment={})
    assert isinstance(again, Loaded)
    assert (again.policies.digest, len(again.cases)) == (found.policies.digest, 1)


@pytest.mark.parametrize(
    ("text", "code"), [("nonsense", "Y018"), ("servic: exchange\ntests: []\n", "P101"), ("tests: []\n", "P105")]
)
def test_tests_of_which_nobody_can_say_whose_they_are_refuse_a_policy_that_is_loaded_alone(
    tmp_path: Path, text: str, code: str
) -> None:
    (tmp_path / "a.yaml").write_text(policy())
    (tmp_path / "x.test.yaml").write_text(text)
    found = load_policies(tmp_path / "a.yaml", environment={})
    assert isinstance(found, Invalid)
    assert [(one.code, Path(one.file).name) for one in found.diagnostics] == [(code, "x.test.yaml")]
    (tmp_path / "x.test.yaml").unlink()
    (tmp_path / "x.test.yaml").mkdir()
    assert isinstance(load_policies(tmp_path / "a.yaml", environment={}), Invalid)


def test_a_policy_that_is_loaded_alone_and_cannot_be_read_is_told_without_its_tests(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("nonsense")
    (tmp_path / "x.test.yaml").write_text(_TESTS.format("other", "allow"))
    for name, codes in (("a.yaml", ["Y018"]), ("x.test.yaml", ["P192", "P207"])):
        found = load_policies(tmp_path / name, environment={})
        assert isinstance(found, Invalid)
        assert [one.code for one in found.diagnostics] == codes
