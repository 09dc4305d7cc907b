"""What `guard check` found, for programs that show it to people: GitHub, SARIF 2.1.0 readers, JUnit readers.

Nothing that stands in a policy can end a line, an attribute or a command of these formats and begin another.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import msgspec

from guard.policy.codes import MEANINGS
from guard.policy.diagnostic import Diagnostic, Severity, concise, visible
from guard.policy.explanations import as_markdown, as_text

_SARIF_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_github(diagnostics: Iterable[Diagnostic]) -> str:
    """Workflow commands, one a line: annotations of the changed lines."""
    return "\n".join(_command(diagnostic) for diagnostic in diagnostics)


def to_sarif(diagnostics: Sequence[Diagnostic], version: str) -> str:
    """One run of SARIF 2.1.0, with a rule for each code that was found. `version` is that of guard."""
    codes = sorted({diagnostic.code for diagnostic in diagnostics})
    driver = {"name": "guard", "version": version, "rules": [_rule(code) for code in codes]}
    results = [_result(diagnostic, codes.index(diagnostic.code)) for diagnostic in diagnostics]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return msgspec.json.encode({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}).decode()


def to_junit(diagnostics: Sequence[Diagnostic], files: Iterable[str]) -> str:
    """One suite, a case for each fault, and one for each of `files` without any. Warnings are no failures."""
    clean = sorted(set(files) - {diagnostic.file for diagnostic in diagnostics})
    failures = sum(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics)
    rows = [f"  <testcase classname={_xml(file)} name={_xml('in order')}/>" for file in clean]
    rows += [_case(diagnostic) for diagnostic in diagnostics]
    head = f'<testsuite name="guard check" tests="{len(rows)}" failures="{failures}" errors="0" skipped="0">'
    return "\n".join(
        ['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>", head, *rows, "</testsuite>", "</testsuites>"]
    )


def _command(diagnostic: Diagnostic) -> str:
    """https://docs.github.com/actions/reference/workflow-commands-for-github-actions: data and properties escaped."""
    properties = {"file": visible(diagnostic.file), "title": f"{diagnostic.code} {MEANINGS[diagnostic.code]}"}
    if diagnostic.line:
        properties |= {"line": str(diagnostic.line), "col": str(diagnostic.column)}
        properties["endColumn"] = str(diagnostic.column + diagnostic.width)
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{diagnostic.severity} {listed}::{_data(_sentence(diagnostic))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _rule(code: str) -> dict[str, Any]:
    return {
        "id": code,
        "shortDescription": {"text": MEANINGS[code]},
        "help": {"text": as_text(code), "markdown": as_markdown(code)},
    }


def _result(diagnostic: Diagnostic, rule: int) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": _uri(diagnostic.file)}}
    if diagnostic.line:
        place["region"] = {
            "startLine": diagnostic.line,
            "startColumn": diagnostic.column,
            "endColumn": diagnostic.column + diagnostic.width,
        }
    return {
        "ruleId": diagnostic.code,
        "ruleIndex": rule,
        "level": str(diagnostic.severity),
        "message": {"text": _sentence(diagnostic)},
        "locations": [{"physicalLocation": place}],
    }


def _uri(file: str) -> str:
    """A URI reference (RFC 3986); one below the folder in which guard runs stays relative to it."""
    path = PurePath(file)
    return ("file://" if path.is_absolute() else "") + quote(path.as_posix(), errors="surrogateescape")


def _case(diagnostic: Diagnostic) -> str:
    name = f"{diagnostic.code} at {diagnostic.line}:{diagnostic.column}" if diagnostic.line else diagnostic.code
    opened = f"  <testcase classname={_xml(diagnostic.file)} name={_xml(name)}"
    told = _xml(concise(diagnostic))[1:-1]
    if diagnostic.severity is Severity.WARNING:
        return f"{opened}><system-out>{told}</system-out></testcase>"
    failure = f"<failure type={_xml(diagnostic.code)} message={_xml(_sentence(diagnostic))}>{told}</failure>"
    return f"{opened}>{failure}</testcase>"


def _sentence(diagnostic: Diagnostic) -> str:
    return visible(diagnostic.message) + (f" ({visible(diagnostic.help)})" if diagnostic.help else "")


def _xml(text: str) -> str:
    """An attribute's value in quotation marks, without what XML 1.0 cannot hold."""
    return quoteattr(_NO_XML.sub("�", text), {'"': "&quot;"})
