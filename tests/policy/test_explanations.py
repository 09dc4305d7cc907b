"""Every code is explained, and every example is what it says."""

from pathlib import Path

import pytest

from guard.policy.codes import MEANINGS
from guard.policy.explanations import Explanation, as_markdown, as_text, explanations, shown
from guard.policy.lints.workers import divided_memory
from guard.policy.load import Invalid, Loaded, load_policies
from guard.service import policies as rulebooks
from guard.service.coverage import coverage_faults
from guard.service.policy_tests import rehearse

ROOT = Path(__file__).parents[2]


def _codes(
    folder: Path, told: Explanation, example: str | dict[str, str], *, workers: int = 1, signers: Path | None = None
) -> list[str]:
    for name, text in told.files(example).items():
        if name.endswith("/"):
            (folder / name).mkdir()
        else:
            (folder / name).write_text(text, encoding="utf-8")
    granted = None if told.granted is None else frozenset(told.granted)
    loaded = load_policies(folder, environment={}, granted=granted)
    rules = rulebooks.accepted(loaded, signers)
    found = list(rules.diagnostics if isinstance(rules, Invalid) else rules.warnings)
    if told.coverage and isinstance(loaded, Loaded):
        found += coverage_faults(loaded, [rehearse(rulebooks.untested(loaded), case) for case in loaded.cases])
    divided = divided_memory(str(folder), workers, shares_state=False)
    return [one.code for one in ([divided, *found] if divided is not None else found)]


@pytest.mark.parametrize("code", MEANINGS)
def test_the_wrong_example_has_exactly_this_fault(code: str, tmp_path: Path) -> None:
    told = explanations()[code]
    signers = tmp_path / "signers" if told.signers else None
    (tmp_path / "signers").write_text(told.signers or "")
    (tmp_path / "policies").mkdir()
    assert _codes(tmp_path / "policies", told, told.wrong, workers=told.workers, signers=signers) == [code]


@pytest.mark.parametrize("code", MEANINGS)
def test_the_right_example_has_none(code: str, tmp_path: Path) -> None:
    told = explanations()[code]
    assert _codes(tmp_path, told, told.right) == []


def test_every_code_is_explained_and_no_other() -> None:
    assert list(explanations()) == list(MEANINGS)
    written = (ROOT / "guard/policy/explanations.yaml").read_text()
    assert {line[:4] for line in written.splitlines() if line[:1] in "YP" and line[1:4].isdigit()} == set(MEANINGS)


def test_the_document_is_the_one_that_the_texts_make() -> None:
    document = (ROOT / "docs/codes.md").read_text()
    for code in MEANINGS:
        assert as_markdown(code) in document, "run: guard explain-code --markdown > docs/codes.md"


def test_a_text_says_meaning_reason_and_both_examples() -> None:
    assert as_text("P102") == (
        "P102: Not one of the values that exist.\n\n"
        "The field takes one of a few words, and this is none of them.\n\n"
        "wrong:\n\n    mode: enforced\n\n"
        "right:\n\n    mode: enforce"
    )


def test_what_cannot_be_seen_is_spelled_out() -> None:
    assert shown("a\u200bb\n\tc\n") == "a\\u200Bb\n\\u0009c"


def test_several_files_are_shown_with_their_names() -> None:
    assert shown({"a.yaml": "x: 1\n", "b.yaml/": ""}) == "# a.yaml\nx: 1\n# b.yaml/"


def test_what_an_example_leaves_out_is_filled_in_before_and_after_it() -> None:
    told = Explanation(why="", wrong="mode: off\nservice: spot\n", right="")
    assert told.files(told.wrong) == {
        "exchange.yaml": "version: 1\nupstream: http://127.0.0.1:8081\nmode: off\nservice: spot\n"
        "routes:\n  GET /v1/orders: {scope: read}\n"
    }
