import re
from pathlib import Path

from guard.policy.codes import MEANINGS

ROOT = Path(__file__).parents[2]
_CODE = re.compile(r'"([YP][0-9]{3})"')


def written(folder: str, besides: str) -> set[str]:
    return {
        code
        for path in (ROOT / folder).rglob("*.py")
        if path.name != besides
        for code in _CODE.findall(path.read_text())
    }


def test_every_code_that_is_used_has_a_meaning_and_every_meaning_a_use() -> None:
    assert written("guard/policy", "codes.py") | written("guard/service", "") == set(MEANINGS)


def test_every_code_is_seen_by_a_test() -> None:
    assert set(MEANINGS) - written("tests/policy", "test_codes.py") - written("tests/service", "") == set()


def test_every_code_stands_in_the_documentation_with_its_meaning() -> None:
    text = (ROOT / "docs" / "policies.md").read_text()
    missing = [code for code, meaning in MEANINGS.items() if f"| {code} | {meaning} |" not in text]
    assert missing == []
