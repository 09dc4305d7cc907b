"""`make bench` put together: which loads it runs, in which order, and what it leaves behind."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from loadtests.bench import compared, run
from loadtests.bench.gateway import BenchGateway, Spent
from loadtests.bench.load import Load, Sent
from loadtests.bench.signed import Kind

_ORDER = [kind.value for kind in Kind]


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, str]]:
    """The loads that were run, by gateway and kind. No process is started."""
    ran: list[tuple[str, str]] = []

    @contextmanager
    def serving(profile: str, *, backend: str, without: Sequence[str] = (), state: str) -> Iterator[BenchGateway]:
        assert (backend, state) == ("http://backend", "memory://")
        yield BenchGateway(port=1, pid=1, profile="-".join((profile, *without)))

    @contextmanager
    def backend() -> Iterator[str]:
        yield "http://backend"

    def load(gateway: BenchGateway, kind: Kind, seconds: int) -> Load:
        assert seconds == 3
        ran.append((gateway.profile, kind.value))
        return Load(Sent(rps=1.0, answered=1, refused=0, p50_ms=1.0, p99_ms=1.0), Spent(0.0001, 0.0))

    for name, stand_in in {"serving": serving, "backend": backend, "load": load, "warm": lambda *_: None}.items():
        monkeypatch.setattr(run, name, stand_in)
    monkeypatch.setattr(run, "RUN", tmp_path / "run")
    monkeypatch.setattr(compared, "at_hand", lambda: False)
    return ran


def _bench(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr("sys.argv", ["bench", "--rounds", "2", "--seconds", "3", *words])
    run.main()


def test_without_compare_py_refusals_are_measured_in_turns(
    loaded: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _bench(monkeypatch)
    assert loaded == [("base", kind) for kind in _ORDER * 2]
    written = json.loads((tmp_path / "run" / "base.json").read_text())
    assert [set(each) for each in written["refusals"]] == [set(_ORDER)] * 2
    assert "comparison" not in written


def test_the_real_profile_is_measured_without_each_of_its_parts_in_turns(
    loaded: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _bench(monkeypatch, "--profile", "real")
    variants = ["real", "real-log", "real-fields", "real-limits", "base"]
    assert loaded[:10] == [(variant, "accepted") for variant in variants * 2]
    assert loaded[10:] == [("real", kind) for kind in _ORDER * 2]
    assert "| guard, real, without log | 100.0 | 100-100 | 0.0 |" in capsys.readouterr().out


def test_the_desk_is_measured_beside_the_base_in_turns(
    loaded: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _bench(monkeypatch, "--profile", "desk")
    assert loaded[:4] == [("desk", "accepted"), ("base", "accepted")] * 2
    assert "| guard, base | 100.0 | 100-100 | 0.0 |" in capsys.readouterr().out


def test_a_wrong_answer_ends_it_with_a_sentence(loaded: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("forged signature: 200")

    monkeypatch.setattr(run, "warm", fails)
    with pytest.raises(SystemExit) as ended:
        _bench(monkeypatch)
    assert (ended.value.code, loaded) == ("error: forged signature: 200", [])
