"""What programs are told, and that nothing of a policy can pass for more than it is."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.policy.codes import MEANINGS
from guard.policy.diagnostic import Diagnostic, Severity
from guard.policy.explanations import as_markdown, as_text
from guard.policy.reports import to_github, to_junit, to_sarif

ERROR = Diagnostic(
    code="P101",
    message="unknown field `cots`",
    file="policies/exchange.yaml",
    line=14,
    column=19,
    width=4,
    help="did you mean `cost`?",
)
WARNING = Diagnostic(
    code="P404", severity=Severity.WARNING, message="100% trusted", file="policies/a,b:c.yaml", line=2, column=3
)
WHOLE = Diagnostic(code="P192", message="no policy here", file="/etc/guard/policies")
ANY = st.builds(
    Diagnostic,
    code=st.sampled_from(sorted(MEANINGS)),
    severity=st.sampled_from(Severity),
    message=st.text(),
    file=st.text(min_size=1),
    line=st.integers(0, 9),
    column=st.integers(1, 9),
    help=st.text(),
)


def _sarif(*diagnostics: Diagnostic) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(to_sarif(diagnostics, "1.2.3"))
    return found


def test_github_gets_a_command_a_line_with_everything_escaped() -> None:
    unknown, message = "P101 A field that does not exist.", "unknown field `cots` (did you mean `cost`?)"
    title = "P404 Proxies are trusted too widely%2C or a field is read that nobody may set."
    assert to_github([ERROR, WARNING, WHOLE]).splitlines() == [
        f"::error file=policies/exchange.yaml,title={unknown},line=14,col=19,endColumn=23::{message}",
        f"::warning file=policies/a%2Cb%3Ac.yaml,title={title},line=2,col=3,endColumn=4::100%25 trusted",
        "::error file=/etc/guard/policies,title=P192 No policy in the directory.::no policy here",
    ]


@given(ANY)
def test_no_text_makes_a_second_command(diagnostic: Diagnostic) -> None:
    told = to_github([diagnostic])
    assert len(told.splitlines()) == 1
    assert told.encode()


def test_sarif_names_tool_rules_levels_and_regions() -> None:
    report = _sarif(ERROR, WARNING, WHOLE)
    (run,) = report["runs"]
    assert (report["$schema"], report["version"]) == ("https://json.schemastore.org/sarif-2.1.0.json", "2.1.0")
    assert (run["tool"]["driver"]["name"], run["tool"]["driver"]["version"]) == ("guard", "1.2.3")
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["P101", "P192", "P404"]
    assert [(result["ruleId"], result["ruleIndex"], result["level"]) for result in run["results"]] == [
        ("P101", 0, "error"),
        ("P404", 2, "warning"),
        ("P192", 1, "error"),
    ]
    assert run["results"][0]["message"] == {"text": "unknown field `cots` (did you mean `cost`?)"}
    places = [result["locations"][0]["physicalLocation"] for result in run["results"]]
    assert places == [
        {
            "artifactLocation": {"uri": "policies/exchange.yaml"},
            "region": {"startLine": 14, "startColumn": 19, "endColumn": 23},
        },
        {
            "artifactLocation": {"uri": "policies/a%2Cb%3Ac.yaml"},
            "region": {"startLine": 2, "startColumn": 3, "endColumn": 4},
        },
        {"artifactLocation": {"uri": "file:///etc/guard/policies"}},
    ]


def test_each_rule_of_sarif_carries_its_help() -> None:
    (rule,) = _sarif(ERROR)["runs"][0]["tool"]["driver"]["rules"]
    assert rule["shortDescription"] == {"text": "A field that does not exist."}
    assert rule["help"] == {"text": as_text("P101"), "markdown": as_markdown("P101")}


def test_nothing_found_is_a_run_without_results() -> None:
    assert _sarif()["runs"][0]["results"] == []


def test_junit_has_a_case_for_each_fault_and_each_file_without() -> None:
    root = ET.fromstring(to_junit([ERROR, WARNING], ["policies/exchange.yaml", "policies/ok.yaml"]))  # noqa: S314  # ours
    (suite,) = root
    assert suite.attrib == {"name": "guard check", "tests": "3", "failures": "1", "errors": "0", "skipped": "0"}
    assert [(case.get("classname"), case.get("name"), [child.tag for child in case]) for case in suite] == [
        ("policies/ok.yaml", "in order", []),
        ("policies/exchange.yaml", "P101 at 14:19", ["failure"]),
        ("policies/a,b:c.yaml", "P404 at 2:3", ["system-out"]),
    ]
    failure = suite[1][0]
    assert failure.attrib == {"type": "P101", "message": "unknown field `cots` (did you mean `cost`?)"}
    assert failure.text == "policies/exchange.yaml:14:19: error[P101]: unknown field `cots`"


@given(ANY, st.text())
def test_junit_is_xml_whatever_a_policy_holds(diagnostic: Diagnostic, file: str) -> None:
    (suite,) = ET.fromstring(to_junit([diagnostic], [file]).encode())  # noqa: S314  # ours
    assert len(suite) == len({file, diagnostic.file})


@pytest.mark.parametrize("file", ["a b.yaml", "é.yaml", "100%.yaml", "a#b?.yaml"])
def test_a_file_is_a_uri_that_means_it(file: str) -> None:
    (result,) = _sarif(Diagnostic(code="P101", message="m", file=file))["runs"][0]["results"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert (
        uri
        == {
            "a b.yaml": "a%20b.yaml",
            "é.yaml": "%C3%A9.yaml",
            "100%.yaml": "100%25.yaml",
            "a#b?.yaml": "a%23b%3F.yaml",
        }[file]
    )
    assert Path(file).name == file
