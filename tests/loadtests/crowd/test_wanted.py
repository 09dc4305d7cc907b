"""What is asked for, before anything is started."""

from pathlib import Path
from typing import Any

import pytest

from loadtests.crowd.refusal import Refusal
from loadtests.crowd.wanted import Wanted, asked

PLAIN: dict[str, Any] = {
    "duration": None,
    "users": None,
    "processes": 1,
    "host": None,
    "owned": False,
    "keys_file": None,
    "slo_file": None,
    "out": Path("out"),
}


def wanted(scenario: str = "steady", **how: Any) -> Wanted:
    return asked(scenario, **{**PLAIN, **how})


def test_what_is_not_said_is_the_scenario_s_own() -> None:
    found = wanted()
    assert (found.duration_ms, found.users, found.host) == (60_000, 10, None)
    assert found.slo.names.keys() == {"read", "order", "cancel"}
    assert found.out == Path.cwd() / "out"


def test_what_is_said_counts(tmp_path: Path) -> None:
    (tmp_path / "slo.yaml").write_text("version: 1\nscenarios: {steady: {names: {read: {}}}}\n")
    keys = tmp_path / "keys"
    host: dict[str, Any] = {"host": "http://127.0.0.1:1", "keys_file": keys}
    found = wanted(duration="5s", users=3, processes=2, slo_file=tmp_path / "slo.yaml", **host)
    assert (found.duration_ms, found.users, found.processes) == (5_000, 3, 2)
    assert (found.host, found.keys_file) == ("http://127.0.0.1:1", keys)
    assert found.slo.names.keys() == {"read"}


@pytest.mark.parametrize(
    ("scenario", "how", "told"),
    [
        ("steadfast", {}, "there is no scenario 'steadfast': guard loadtest list names them"),
        ("steady", {"duration": "5"}, "--duration 5: is not a duration"),
        ("steady", {"duration": "900ms"}, "--duration 900ms: at least 1s"),
        ("steady", {"host": "http://127.0.0.1:1"}, "--host and --keys belong together"),
        ("steady", {"keys_file": Path("keys")}, "--host and --keys belong together"),
        ("steady", {"host": "http://192.0.2.1:1", "keys_file": Path("keys")}, "this is not loopback"),
    ],
)
def test_what_cannot_be_run_is_refused(scenario: str, how: dict[str, Any], told: str) -> None:
    with pytest.raises(Refusal, match=told):
        wanted(scenario, **how)
