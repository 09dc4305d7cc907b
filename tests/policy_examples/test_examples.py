"""The example of the design, and what happens to whoever takes one of its safeguards out."""

from pathlib import Path

import pytest

from guard.policy.diagnostic import Diagnostic
from guard.policy.load import Invalid, Loaded, load_contents, load_text
from guard.service import policies
from guard.service.coverage import coverage_faults
from guard.service.policies import Rulebook
from guard.service.policy_tests import rehearse

_HERE = Path(__file__).parent
_SO_FAR = (_HERE / "so_far.yaml").read_text()
_FULL = (_HERE / "full.yaml").read_text()
_KEY = "{per: [key], rate: 20/s, burst: 40, except: [cancels]}"


def _rules(text: str) -> Rulebook | Invalid:
    loaded = load_text({"exchange.yaml": text})
    return loaded if isinstance(loaded, Invalid) else policies.tested(loaded)


def _failures(text: str, taken_out: str, left: str) -> tuple[Diagnostic, ...]:
    assert taken_out in text
    refused = _rules(text.replace(taken_out, left))
    assert isinstance(refused, Invalid)
    return tuple(one for one in refused.diagnostics if one.severity.value == "error")


def test_the_example_loads_and_passes_its_own_tests() -> None:
    assert isinstance(_rules(_SO_FAR), Rulebook)


@pytest.mark.parametrize(
    ("taken_out", "left", "line"),
    [
        (_KEY, "{per: [key], rate: 20/s, burst: 40}", 44),
        ("burst: 100, except: [cancels]}", "burst: 100}", 44),
        ("POST /v1/orders:         {scope: trade,", "POST /v1/orders:         {scope: read,", 43),
    ],
)
def test_without_one_of_its_safeguards_it_does_not_load(taken_out: str, left: str, line: int) -> None:
    (failure,) = _failures(_SO_FAR, taken_out, left)
    assert (failure.code, failure.line) == ("P601", line)
    assert failure.message.startswith("`cancels survive an order flood`: expected ")


def test_the_full_example_keeps_its_word() -> None:
    assert isinstance(_rules(_FULL), Rulebook), _rules(_FULL)
    for taken_out, left in ((_KEY, "{per: [key], rate: 20/s, burst: 40}"), (", reserve: 10}", "}")):
        (failure,) = _failures(_FULL, taken_out, left)
        assert failure.code == "P601"
        assert "cancels survive an order flood" in failure.message


def test_the_policies_that_share_keep_their_word_and_use_all_that_is_shared() -> None:
    rules = policies.read_rulebook(_HERE.parents[1] / "policies" / "shared")
    assert isinstance(rules, Rulebook), rules
    assert [Path(path).name for path in rules.files] == ["futures.yaml", "spot.yaml", "_shared.yaml", "deny.txt"]
    assert rules.warnings == ()
    loaded = load_contents(rules.files)
    assert isinstance(loaded, Loaded)
    assert list(coverage_faults(loaded, [rehearse(rules, case) for case in loaded.cases])) == []
