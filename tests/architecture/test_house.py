"""The house stays as ARCHITECTURE.md draws it: sizes, mirrors, witnesses, one table of reasons."""

import ast
import re
from pathlib import Path

import pytest

from guard.core import pipeline
from guard.model.reasons import TABLE

ROOT = Path(__file__).parent.parent.parent
SOURCES = sorted((ROOT / "guard").rglob("*.py"))
LOADTESTS = [path for path in sorted((ROOT / "loadtests").rglob("*.py")) if ".run" not in path.parts]
OURS = [*SOURCES, *LOADTESTS]
STAGES = ("Routed", "Entered", "Identified", "Screened", "Signed", "Verified", "Allow")


def _relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def test_a_file_has_at_most_300_lines_and_says_what_it_is() -> None:
    lines = {_relative(path): len(path.read_text().splitlines()) for path in OURS}
    assert {path: count for path, count in lines.items() if count > 300} == {}
    silent = [_relative(path) for path in OURS if not ast.get_docstring(_parsed(path))]
    assert silent == [], "these modules say nothing of themselves"


def test_a_function_has_at_most_40_lines() -> None:
    long = [
        f"{_relative(path)}: {node.name} ({_lines(node)} lines)"
        for path in OURS
        if "migrations" not in path.parts
        for node in ast.walk(_parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _lines(node) > 40
    ]
    assert long == []


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of the code, without the docstring."""
    docstring = node.body[0] if ast.get_docstring(node) else None
    spent = 0 if docstring is None else (docstring.end_lineno or 0) - docstring.lineno + 1
    return (node.end_lineno or node.lineno) - node.lineno + 1 - spent


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_constructed_in_one_file_only(stage: str) -> None:
    constructing = [_relative(path) for path in SOURCES if re.search(rf"(?<![\w.]){stage}\((?!msgspec)", _code(path))]
    assert constructing in (["guard/core/decide.py"], ["guard/core/decide.py", "guard/core/stages.py"])


def _code(path: Path) -> str:
    """The source without docstrings, comments and `match` patterns."""
    lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith(("case ", "#", "class "))]
    return re.sub(r'"""[\s\S]*?"""', "", "\n".join(lines))


def test_every_check_stands_in_the_pipeline() -> None:
    tables = (
        *(pipeline.MESSAGE, pipeline.ARRIVAL, pipeline.ADDRESS, pipeline.CREDENTIALS, pipeline.SCREEN, pipeline.HEAD),
        *(pipeline.BODY, pipeline.WHO, pipeline.MAY, pipeline.DEPARTURE, pipeline.STILL, pipeline.ADMIT),
    )
    asked = {check.__name__ for table in tables for check in table}
    written = {
        node.name
        for path in (ROOT / "guard" / "core" / "checks").glob("*.py")
        for node in _parsed(path).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }
    assert written - asked == {"key_fault", "short_limit"}, "a check that nobody asks, or a helper that looks like one"
    assert asked <= written
    assert {check.__name__ for table in pipeline.ORDER for check in table} == asked, "explain would not know it"


_CODE = re.compile(r'"((?:route|request|auth|authz|abuse|store|gateway|upstream)\.[a-z_]+)"')
_ELSEWHERE = {"gateway.ready", "gateway.draining", "keys.unreachable"}


def test_every_code_that_is_written_anywhere_is_a_row_and_every_row_is_written_somewhere() -> None:
    rows = {row.code for row in TABLE} | {row.public for row in TABLE}
    written: set[str] = set()
    for path in SOURCES:
        if path.name != "reasons.py":
            written |= set(_CODE.findall(path.read_text()))
    assert written - rows - _ELSEWHERE == set()
    assert rows - written - {"limit.*", "auth.invalid"} == set()


def test_the_core_names_no_http() -> None:
    for path in (ROOT / "guard" / "core").rglob("*.py"):
        assert not re.search(r"\bhttp|\basgi|\bheader", _code(path), re.IGNORECASE), _relative(path)


PURE = ("model", "wire", "signing", "core")
IMPURE = {"asyncio", "socket", "time", "random", "os", "logging", "secrets", "threading", "subprocess"}


@pytest.mark.parametrize("room", PURE)
def test_a_pure_room_imports_no_clock_socket_file_or_log(room: str) -> None:
    for path in (ROOT / "guard" / room).rglob("*.py"):
        for node in ast.walk(_parsed(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & IMPURE, _relative(path)
            assert not isinstance(node, ast.Await | ast.AsyncFunctionDef), _relative(path)


def _behaves(path: Path) -> bool:
    """Whether a file holds more than nouns, tables and Protocols."""
    return any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not _is_declared_only(node)
        for node in ast.walk(_parsed(path))
    )


def _is_declared_only(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    last = function.body[-1]
    return isinstance(last, ast.Expr) and isinstance(last.value, ast.Constant) and last.value.value is ...


def test_a_source_file_that_behaves_has_a_test_file_of_its_own() -> None:
    mirrored = [path for path in OURS if _behaves(path) and "migrations" not in path.parts]
    assert len(mirrored) > 200
    assert [_relative(path) for path in mirrored if not _mirror(path).exists()] == []


def _mirror(path: Path) -> Path:
    relative = path.relative_to(ROOT) if path in LOADTESTS else path.relative_to(ROOT / "guard")
    return ROOT / "tests" / relative.parent / f"test_{relative.name.strip('_')}"
