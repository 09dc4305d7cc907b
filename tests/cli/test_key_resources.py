"""Whoever keeps a key to a resource learns whether anything here tells it."""

from pathlib import Path

import pytest

from guard.cli.key_resources import warn_of_unknown
from guard.model.keys import Bounds, KeyUse
from tests.policy_text import policy


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    (tmp_path / "exchange.yaml").write_text(policy("resources: {symbol: {field: /symbol}}"))
    return tmp_path


def warned(policies: Path, bounds: Bounds | None, capsys: pytest.CaptureFixture[str]) -> str:
    warn_of_unknown(bounds, policies)
    told = capsys.readouterr()
    assert told.out == ""
    return told.err


def test_a_resource_that_no_policy_knows_is_warned_of(policies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = warned(policies, Bounds(only={"symbl": ("BTC-USD",)}), capsys)
    sentence = f"no route in {policies} tells the resource symbl: the key opens nothing there."
    assert told == f"guard: {sentence} Did you mean symbol?\n"


@pytest.mark.parametrize("bounds", [None, Bounds(uses=(KeyUse.READS,)), Bounds(only={"symbol": ("BTC-USD",)})])
def test_of_what_is_known_nothing_is_said(
    bounds: Bounds | None, policies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert warned(policies, bounds, capsys) == ""


def test_without_policies_in_order_nothing_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bounds = Bounds(only={"symbl": ("BTC-USD",)})
    assert warned(tmp_path / "none", bounds, capsys) == ""
    (tmp_path / "broken.yaml").write_text("version: 9\n")
    assert warned(tmp_path, bounds, capsys) == ""
