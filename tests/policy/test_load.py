import base64
import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.policy.diagnostic import render
from guard.policy.load import Invalid, Loaded, _digest, load_policies, load_text
from tests.policy.hostile import HOSTILE, content_of
from tests.policy_text import HEAD, ROUTES, policy

ROOT = Path(__file__).parents[2]
EXCHANGE = (ROOT / "policies" / "exchange.yaml").read_text()
SECOND = policy("match: {hosts: [b]}").replace("service: exchange", "service: second")


def files(directory: Path, **contents: str | bytes) -> Path:
    for name, content in contents.items():
        path = directory / name.replace("__", ".")
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return directory


def faults(directory: Path) -> list[tuple[str, str]]:
    result = load_policies(directory, environment={})
    assert isinstance(result, Invalid)
    return [(one.code, Path(one.file).name) for one in result.diagnostics]


def test_a_directory_is_one_service_a_file_in_the_order_of_their_names(tmp_path: Path) -> None:
    result = load_policies(files(tmp_path, b__yaml=policy(), a__yaml=SECOND, notes__txt="x", schema__json="{}"))
    assert isinstance(result, Loaded)
    assert [service.name for service in result.policies.services] == ["second", "exchange"]
    assert list(result.contents) == [str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml")]
    assert list(result.schemes) == ["guard-v1"]


def test_one_file_is_a_directory_of_one(tmp_path: Path) -> None:
    files(tmp_path, a__yaml=policy(), b__yaml="nonsense")
    assert isinstance(load_policies(tmp_path / "a.yaml"), Loaded)


def test_rules_name_the_file_within_its_directory_and_faults_the_way_to_it(tmp_path: Path) -> None:
    result = load_policies(files(tmp_path, a__yaml=policy()))
    assert isinstance(result, Loaded)
    assert result.policies.services[0].rule.file == "a.yaml"
    broken = load_policies(files(tmp_path, a__yaml="x"))
    assert isinstance(broken, Invalid)
    assert broken.diagnostics[0].file == str(tmp_path / "a.yaml")


def test_warnings_do_not_refuse(tmp_path: Path) -> None:
    result = load_policies(files(tmp_path, a__yaml=HEAD + "routes:\n  POST /x: {auth: none}\n"))
    assert isinstance(result, Loaded)
    assert [(one.code, one.severity.value) for one in result.warnings] == [("P401", "warning")]


def test_one_bad_file_refuses_the_directory(tmp_path: Path) -> None:
    assert faults(files(tmp_path, a__yaml=policy(), b__yaml="version: 1\nversion: 1\n")) == [("Y004", "b.yaml")]


def test_no_policy_is_an_error_and_not_an_open_door(tmp_path: Path) -> None:
    assert faults(tmp_path) == [("P192", tmp_path.name)]
    assert faults(files(tmp_path, notes__txt="x")) == [("P192", tmp_path.name)]
    assert faults(files(tmp_path, only__scheme__yaml="scheme: acme\nextends: binance\n")) == [("P192", tmp_path.name)]


def test_files_of_kinds_that_there_are_not_are_refused(tmp_path: Path) -> None:
    files(tmp_path, a__yaml=policy(), _other__yaml="x: 1", c__yml="x: 1")
    assert faults(tmp_path) == [("P191", "_other.yaml"), ("P191", "c.yml")]


def test_a_directory_is_bounded_as_a_whole_and_then_none_of_it_is_parsed(tmp_path: Path) -> None:
    """One of the files is nonsense, and that is not even told."""
    for number in range(5):
        (tmp_path / f"{number}.yaml").write_text("#" * ((1 << 20) - 2) if number else "nonsense")
    assert faults(tmp_path) == [("Y018", f"{number}.yaml") for number in range(5)]
    (tmp_path / "5.yaml").write_text("#")
    assert faults(tmp_path) == [("Y014", tmp_path.name)]
    for number in range(501):
        (tmp_path / f"{number}.yaml").write_text("#")
    assert faults(tmp_path) == [("Y014", tmp_path.name)]
    (tmp_path / "0.yaml").unlink()
    assert len(faults(tmp_path)) == 500


def test_hidden_files_and_folders_are_not_policies(tmp_path: Path) -> None:
    files(tmp_path, a__yaml=policy(), __a__yaml="half a sav")
    (tmp_path / "..data").mkdir()
    assert isinstance(load_policies(tmp_path), Loaded)


def test_what_cannot_be_opened_is_told_and_never_waited_for(tmp_path: Path) -> None:
    files(tmp_path, a__yaml=policy())
    os.mkfifo(tmp_path / "b.yaml")
    (tmp_path / "c.yaml").mkdir()
    (tmp_path / "d.yaml").symlink_to(tmp_path / "gone")
    assert faults(tmp_path) == [("Y019", "b.yaml"), ("Y019", "c.yaml"), ("Y019", "d.yaml")]
    assert faults(tmp_path / "nowhere.yaml") == [("Y019", "nowhere.yaml")]
    (tmp_path / "notes.txt").touch()
    assert faults(tmp_path / "notes.txt") == [("P191", "notes.txt")]


def test_a_directory_that_cannot_be_listed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path) -> list[Path]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    result = load_policies(tmp_path)
    assert isinstance(result, Invalid)
    assert render(result.diagnostics[0]) == f"{tmp_path}: error[Y019]: cannot be read: Permission denied"


def test_a_symlink_as_a_config_map_makes_them_is_followed(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "a.yaml").write_text(policy())
    (tmp_path / "a.yaml").symlink_to(Path("..data") / "a.yaml")
    assert isinstance(load_policies(tmp_path), Loaded)


def test_the_digest_changes_with_every_byte_and_every_name() -> None:
    def digests(**texts: str) -> tuple[str, str]:
        result = load_text({f"{name}.yaml": text for name, text in texts.items()})
        assert isinstance(result, Loaded)
        return result.policies.digest, result.policies.services[0].digest

    first = digests(a=policy())
    assert digests(a=policy()) == first
    assert len(first[0]) == len(first[1]) == 7
    assert digests(a=policy() + "#")[0] != first[0]
    assert digests(b=policy())[0] != first[0]
    both = digests(a=policy(), b=SECOND)
    assert both[0] != first[0]
    assert both[1] == first[1]


def test_a_scheme_beside_a_policy_is_part_of_its_digest() -> None:
    def digest(scheme: str) -> str:
        result = load_text({"a.yaml": policy(), "mine.scheme.yaml": scheme})
        assert isinstance(result, Loaded)
        return result.policies.services[0].digest

    mine = "scheme: mine\nextends: guard-v1\n"
    assert digest(mine) == digest(mine)
    assert digest(mine) != digest(mine + "# changed\n")


def test_a_directory_that_is_not_there_is_told_as_that(tmp_path: Path) -> None:
    result = load_policies(tmp_path / "nowhere")
    assert isinstance(result, Invalid)
    [diagnostic] = result.diagnostics
    assert diagnostic.code == "Y019"
    assert "No such file or directory" in diagnostic.message


def test_a_digest_tells_where_a_name_ends_and_a_content_begins() -> None:
    assert _digest({Path("a"): b"bc"}) != _digest({Path("ab"): b"c"})


def test_the_environment_is_the_processes_unless_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARD_TEST_BACKEND", "http://backend:1")
    text = "version: 1\nservice: x\nupstream: ${GUARD_TEST_BACKEND}\n" + ROUTES
    result = load_policies(files(tmp_path, a__yaml=text))
    assert isinstance(result, Loaded)
    assert result.policies.services[0].upstream.urls == ("http://backend:1",)


def test_the_shipped_policies_are_in_order_together() -> None:
    result = load_policies(ROOT / "policies", environment={})
    assert isinstance(result, Loaded), "\n".join(render(one) for one in result.diagnostics)
    assert result.warnings == ()
    assert [service.name for service in result.policies.services] == ["example", "exchange"]
    assert sorted(result.schemes) == ["api-key:x-api-key", "binance", "guard-v1"]


def test_the_policies_in_the_documentation_load() -> None:
    text = (ROOT / "docs" / "policies.md").read_text()
    blocks = [block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if block.startswith("version:")]
    assert blocks
    for block in blocks:
        result = load_text({"p.yaml": block})
        assert isinstance(result, Loaded), result


@pytest.mark.parametrize("name", HOSTILE)
def test_no_hostile_file_is_loaded(name: str) -> None:
    result = load_text({"policy.yaml": content_of(name)})
    assert isinstance(result, Invalid)
    for one in result.diagnostics:
        assert len(render(one)) < 2_000
        assert all(line.isprintable() for line in render(one).splitlines())


def test_the_yaml_level_hostile_files_are_refused_as_yaml() -> None:
    codes = {}
    for name in HOSTILE:
        result = load_text({"policy.yaml": content_of(name)})
        assert isinstance(result, Invalid)
        codes[name] = {one.code for one in result.diagnostics}
    for name in ("billion_laughs_list", "billion_laughs_map", "merge_key_bomb", "self_reference", "anchor_flood"):
        assert codes[name] == {"Y006"}
    for name in ("python_object", "python_object_nested", "python_name", "custom_tag", "binary_tag", "set_omap"):
        assert codes[name] == {"Y007"}
    expected = {"duplicate_key": "Y004", "tab_indent": "Y005", "multi_doc": "Y009", "yaml_directive": "Y010"}
    expected |= {
        "bad_utf8": "Y002",
        "utf16": "Y002",
        "bom_utf8": "Y002",
        "nel_linebreak": "Y003",
        "rtl_override": "Y003",
    }
    expected |= {"deep_flow_10000": "Y016", "many_keys_200k": "Y014", "big_scalar_5MiB": "Y014", "huge_int": "Y017"}
    expected |= {"big_policy_10MiB": "Y014", "truncated_utf8": "Y002"}
    expected |= {"empty": "Y018", "null_limits": "Y012", "complex_key": "Y011", "truncated": "Y001", "nul_byte": "Y003"}
    assert {name: codes[name] for name in expected} == {name: {code} for name, code in expected.items()}
    assert not Path("/tmp/pwned_gateway").exists()  # noqa: S108  # the marker that the corpus would leave


_MEASURE = """
import base64, json, resource, sys, time
from guard.policy.load import Invalid, load_text
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for content in json.load(sys.stdin):
    start = time.process_time()
    assert isinstance(load_text({"p.yaml": base64.b64decode(content)}), Invalid)
    print(time.process_time() - start, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def test_no_hostile_file_takes_six_seconds_of_cpu_or_two_hundred_mebibytes() -> None:
    contents = [content_of(name) for name in HOSTILE]
    contents += [
        b"".join(b"k%d: 1\n" % n for n in range(24_000)),
        b'a: "' + b"\\x41" * 250_000 + b'"\n',
        (HEAD + "routes:\n" + "".join(f"  GET /{'{x%d}/' * 3}{n}: {{}}\n" % (1, 2, 3) for n in range(500))).encode()
        + b"limits: 5\n",
    ]
    done = subprocess.run(  # noqa: S603  # our own interpreter, our own text
        [sys.executable, "-c", _MEASURE],
        input=json.dumps([base64.b64encode(content).decode() for content in contents]),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        cwd=ROOT,
    )
    spent = [tuple(map(float, line.split())) for line in done.stdout.splitlines()]
    assert len(spent) == len(contents)
    assert max(seconds for seconds, _ in spent) < 6  # 1.7 on a slow machine
    assert max(mebibytes for _, mebibytes in spent) < 200


@given(st.binary(max_size=200))
def test_no_bytes_make_the_loader_raise(data: bytes) -> None:
    assert isinstance(load_text({"p.yaml": data}), Loaded | Invalid)


WORDS = sorted(set(EXCHANGE.replace("{", " ").replace("}", " ").replace(",", " ").split()))


@settings(max_examples=150)
@given(st.randoms(use_true_random=False))
def test_a_mutated_policy_loads_or_is_told_with_places_that_exist(chance: random.Random) -> None:
    text = EXCHANGE
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(text))
        match chance.randrange(4):
            case 0:
                text = text[:at] + text[at + chance.randint(1, 8) :]
            case 1:
                text = text[:at] + chance.choice(WORDS) + text[at:]
            case 2:
                text = text[:at] + chance.choice("{}[]:,-&*!|>'\"#%@`\n\t 0é\u202e") + text[at:]
            case _:
                text = text.replace(chance.choice(WORDS), chance.choice(WORDS), 1)
    result = load_text({"p.yaml": text})
    if isinstance(result, Invalid):
        lines = text.split("\n")
        assert result.diagnostics
        for one in result.diagnostics:
            assert 0 <= one.line <= len(lines)
            assert one.line == 0 or 1 <= one.column <= len(lines[one.line - 1]) + 1
            assert render(one)
