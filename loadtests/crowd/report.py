"""A run on one page: `verdict.md` for people, `result.json` for programs."""

import json
from collections.abc import Mapping

from loadtests.crowd.tally import Tally
from loadtests.crowd.verdict import EXIT_BREACHED, EXIT_ERRORS, EXIT_HELD, Verdict

_WORDS = {EXIT_HELD: "held", EXIT_BREACHED: "BREACHED", EXIT_ERRORS: "ERRORS"}
_PERCENTILES = (50, 95, 99)


def verdict_page(verdict: Verdict, tally: Tally, conditions: Mapping[str, object]) -> str:
    """Markdown: the word first, then what did not hold, then everything."""
    lines = [f"# {conditions['scenario']}: {_WORDS[verdict.exit_code]}", ""]
    lines += [", ".join(f"{name} {value}" for name, value in conditions.items() if name != "scenario"), ""]
    for error in verdict.errors:
        lines.append(f"- error: {error}")
    if tally.strained:
        lines.append(
            "- the load generator had no CPU left at times (Locust, above 90 %): more `--processes`, or fewer `--users`"
        )
    if verdict.errors or tally.strained:
        lines.append("")
    lines += ["| must hold | wanted | found | |", "|---|---|---|---|"]
    for finding in sorted(verdict.findings, key=lambda finding: finding.held):
        mark = "held" if finding.held else "**breached**"
        lines.append(f"| {finding.what} | {finding.wanted} | {finding.found} | {mark} |")
    lines += ["", "| name | asked | p50 ms | p95 ms | p99 ms | answers |", "|---|--:|--:|--:|--:|---|"]
    for name, seen in sorted(tally.names.items()):
        milliseconds = " | ".join(f"{seen.percentile_us(percent) / 1000:g}" for percent in _PERCENTILES)
        answers = ", ".join(f"{answer}: {count}" for answer, count in sorted(seen.answers.items()))
        lines.append(f"| {name} | {seen.asked} | {milliseconds} | {answers} |")
    return "\n".join(lines) + "\n"


def result_json(verdict: Verdict, tally: Tally, conditions: Mapping[str, object], over: Mapping[str, int]) -> str:
    """Everything that the page says."""
    result = {
        "exit_code": verdict.exit_code,
        "conditions": dict(conditions),
        "errors": list(verdict.errors),
        "findings": [
            {"what": each.what, "wanted": each.wanted, "found": each.found, "held": each.held}
            for each in verdict.findings
        ],
        "names": {
            name: {
                "asked": seen.asked,
                "unexpected": seen.unexpected,
                "denied": seen.denied,
                "answers": dict(sorted(seen.answers.items())),
                **{f"p{percent}_us": seen.percentile_us(percent) for percent in _PERCENTILES},
            }
            for name, seen in sorted(tally.names.items())
        },
        "offered": tally.offered,
        "sent": tally.begun,
        "strained": tally.strained,
        "over_admission": dict(over),
    }
    return json.dumps(result, indent=2) + "\n"
