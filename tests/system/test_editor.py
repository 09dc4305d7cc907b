"""A policy in an editor: yaml-language-server reads the schema that its first line names."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.language_server import LanguageServer

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
_HEAD = """# yaml-language-server: $schema=./schema/policy.v1.json
version: 1
service: exchange
upstream: http://127.0.0.1:8081
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "policies/schema", tmp_path / "schema")
    return tmp_path


@pytest.fixture
def editor(folder: Path) -> Iterator[LanguageServer]:
    server = LanguageServer(folder)
    yield server
    server.close()


def test_a_misspelt_field_is_underlined(editor: LanguageServer, folder: Path) -> None:
    (folder / "p.yaml").write_text(_HEAD + "routes:\n  GET /v1/depth: {scope: read, cots: 5}\n")
    (fault,) = editor.diagnostics("p.yaml")
    assert fault["message"] == "Property cots is not allowed."
    assert fault["range"]["start"] == {"line": 5, "character": 31}


@pytest.mark.parametrize("name", ["example.yaml", "exchange.yaml"])
def test_a_shipped_policy_has_no_fault(editor: LanguageServer, folder: Path, name: str) -> None:
    shutil.copy(ROOT / "policies" / name, folder)
    assert editor.diagnostics(name) == []


def test_the_words_of_a_choice_are_offered_with_what_they_mean(editor: LanguageServer, folder: Path) -> None:
    (folder / "p.yaml").write_text(_HEAD + "mode: \nroutes:\n  GET /v1/depth: {scope: read}\n")
    offered = {one["label"].strip('"'): str(one.get("documentation")) for one in editor.completions("p.yaml", 4, 6)}
    assert set(offered) == {"enforce", "shadow", "off"}
    assert "refuses nothing" in offered["shadow"]


def test_a_route_is_offered_as_a_whole(editor: LanguageServer, folder: Path) -> None:
    (folder / "p.yaml").write_text(_HEAD + "routes:\n  \n")
    offered = {one["label"]: one.get("insertText", "") for one in editor.completions("p.yaml", 5, 2)}
    assert "priority: critical" in offered["route for cancels"]


def test_a_field_is_explained_under_the_mouse(editor: LanguageServer, folder: Path) -> None:
    (folder / "p.yaml").write_text(_HEAD + "routes:\n  GET /v1/depth: {scope: read, allow_ips: [10.0.0.0/8]}\n")
    assert "Only from these networks, or those of `file:NAME.txt`, whoever asks." in editor.hover("p.yaml", 5, 33)
