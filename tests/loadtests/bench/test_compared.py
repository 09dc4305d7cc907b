"""compare.py as a program that sometimes stumbles; this one is a stand-in."""

from pathlib import Path

import pytest

from loadtests.bench import compared
from loadtests.bench.compared import compare
from loadtests.bench.gateway import BenchGateway

_STUMBLES = """
import json, pathlib, sys
count = pathlib.Path(__file__).with_name("count")
tries = int(count.read_text()) if count.exists() else 0
count.write_text(str(tries + 1))
if tries == 0:
    raise AttributeError("'NoneType' object has no attribute 'groups'")
pathlib.Path(sys.argv[sys.argv.index("--json") + 1]).write_text(json.dumps({"said": {"cpu": tries}}))
pathlib.Path(__file__).with_name("words").write_text(" ".join(sys.argv[1:]))
"""
_GATEWAY = BenchGateway(port=8080, pid=42, profile="base")


def _compare_py(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "compare.py").write_text(text)
    monkeypatch.setattr(compared, "COMPARE", folder / "compare.py")


def test_a_round_that_stumbles_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _compare_py(tmp_path, _STUMBLES, monkeypatch)
    rounds = compare([("guard", _GATEWAY)], peers="nginx-lua", rounds=2, seconds=5)
    assert rounds == [{"said": {"cpu": 1}}, {"said": {"cpu": 2}}]
    words = (tmp_path / "words").read_text()
    assert words.startswith("--rounds 1 --seconds 5 --peers nginx-lua --requests 350000 --json ")
    assert words.endswith("--gateway guard=http://127.0.0.1:8080=42")


def test_the_redis_of_the_gateways_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _compare_py(tmp_path, _STUMBLES, monkeypatch)
    compare([("guard", _GATEWAY)], peers="", rounds=1, seconds=5, redis_pid=43)
    assert (tmp_path / "words").read_text().endswith(" --redis-pid 43")


def test_a_refusal_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = "not all requests were answered with success"
    _compare_py(tmp_path, f"import sys\nopen(__file__ + '.tries', 'a').write('x')\nsys.exit('{refused}')", monkeypatch)
    with pytest.raises(RuntimeError, match=refused):
        compare([("guard", _GATEWAY)], peers="", rounds=5, seconds=5)
    assert (tmp_path / "compare.py.tries").read_text() == "x"


def test_where_compare_py_is_not_nothing_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compared, "COMPARE", tmp_path / "compare.py")
    monkeypatch.setattr(compared, "_install", lambda: pytest.fail("installed"))
    assert not compared.at_hand()


def test_what_cannot_be_installed_is_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> None:
        raise FileNotFoundError("apt-get")

    _compare_py(tmp_path, "", monkeypatch)
    monkeypatch.setattr(compared, "_install", fails)
    assert not compared.at_hand()
    assert "could not be installed: apt-get" in capsys.readouterr().err
