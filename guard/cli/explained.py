"""An explanation as it is shown: one line for each subject, with its rule's place, and what can be done."""

from guard.cli.screen import one_line
from guard.service.explain import Explanation, Line

_SUBJECT_CHARACTERS = 12
_DETAIL_CHARACTERS = 56


def shown(explanation: Explanation) -> list[str]:
    """The lines of the screen."""
    verb = explanation.decision.upper()
    said = f"{verb} {explanation.status or '-'} {explanation.reason or ''}".rstrip()
    policy = f"policy {explanation.service}@{explanation.policy}" if explanation.service is not None else "no service"
    mode = f" ({explanation.mode})" if explanation.mode is not None else ""
    rows = [f"{said:<48}{policy}{mode}", *(_row(line) for line in explanation.lines)]
    if explanation.note:
        rows.append(f"  note: {explanation.note}")
    if explanation.remedy:
        rows.append(f"  try: {explanation.remedy}")
    return [one_line(row) for row in rows]


def _row(line: Line) -> str:
    text = f"{line.verdict:<12}{line.detail}" if line.detail else line.verdict
    row = f"  {line.subject:<{_SUBJECT_CHARACTERS}} {text:<{_DETAIL_CHARACTERS}} {line.place}".rstrip()
    return row + "   ◀ decided here" if line.decided else row
