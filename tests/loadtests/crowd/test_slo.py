"""What must hold, as it is read."""

from pathlib import Path

import pytest

from loadtests.crowd.refusal import Refusal
from loadtests.crowd.slo import NameSlo, SecuritySlo, ppm_text, ratio_ppm, read_slo, share_ppm

FULL = """\
version: 1
scenarios:
  steady:
    names:
      order: {p50: 5ms, p95: 20ms, p99: 1s, fail_ratio: 0.1%, min_rps: 20}
      read: {}
    achieved: 90%
    security: {replays_accepted: 0, over_admission: 0, legit_denied: 0.1%, cancel_success: 99.5%}
"""


def read(tmp_path: Path, text: str) -> str:
    """How a file is refused."""
    (tmp_path / "slo.yaml").write_text(text)
    with pytest.raises(Refusal) as refused:
        read_slo(tmp_path / "slo.yaml", "steady")
    return str(refused.value).removeprefix(str(tmp_path))


def test_what_is_not_written_is_the_strictest(tmp_path: Path) -> None:
    (tmp_path / "slo.yaml").write_text(FULL)
    slo = read_slo(tmp_path / "slo.yaml", "steady")
    assert slo.names["read"] == NameSlo(None, None, None, "0%", 1)
    assert slo.names["order"] == NameSlo("5ms", "20ms", "1s", "0.1%", 20)
    assert slo.achieved == "90%"
    assert SecuritySlo() == SecuritySlo(0, 0, "0%", "100%")
    assert slo.security == SecuritySlo(0, 0, "0.1%", "99.5%")


@pytest.mark.parametrize(
    ("wrong", "instead_of", "told"),
    [
        ("  weekend:", "  steady:", "/slo.yaml: nothing about steady: add it below `scenarios`"),
        ("p97: 20ms", "p95: 20ms", "/slo.yaml: Object contains unknown field `p97` - at `$.scenarios[...].names[...]`"),
        ("p95: 20", "p95: 20ms", "Expected `str | null`, got `int`"),
        ("p95: soon", "p95: 20ms", "/slo.yaml: steady.names.order.p95: `soon` is not a duration: write a whole number"),
        ("fail_ratio: 0.1", "fail_ratio: 0.1%", "Expected `str`, got `float`"),
        ("achieved: 190%", "achieved: 90%", "/slo.yaml: steady.achieved: `190%` is no share: write a number from 0 to"),
        ("legit_denied: few", "legit_denied: 0.1%", "/slo.yaml: steady.security.legit_denied: `few` is no share"),
        ("steady: [", "steady:", "/slo.yaml: this is not YAML: while parsing"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, wrong: str, instead_of: str, told: str) -> None:
    assert told in read(tmp_path, FULL.replace(instead_of, wrong))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"nowhere\.yaml: No such file or directory: name a file with --slo"):
        read_slo(tmp_path / "nowhere.yaml", "steady")


@pytest.mark.parametrize(
    ("text", "ppm"), [("0%", 0), ("0.1%", 1_000), ("0.0001%", 1), ("99.5%", 995_000), ("100%", 1_000_000)]
)
def test_a_share_is_exact_and_is_written_as_it_was_read(text: str, ppm: int) -> None:
    assert share_ppm(text) == ppm
    assert ppm_text(ppm) == text


@pytest.mark.parametrize("text", ["", "5", "101%", "0.00001%", "-1%", "1 %", "٥%"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no share"):
        share_ppm(text)


def test_a_ratio_of_nothing_is_nothing() -> None:
    assert (ratio_ppm(1, 8), ratio_ppm(0, 0)) == (125_000, 0)
