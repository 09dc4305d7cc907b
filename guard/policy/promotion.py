"""What has to change in a file so that a rule is enforced: the `mode` of its file, its section and itself."""

from collections.abc import Mapping

import msgspec

from guard.policy.document import Document, Path
from guard.policy.files import services_in

_MODE = "mode"


class Edit(msgspec.Struct, frozen=True):
    """One line of a file, before and after. `place` is the field's path, joined by points."""

    file: str
    line: int
    place: str
    before: str
    after: str


class Promotion(msgspec.Struct, frozen=True):
    """How a rule of a service is promoted: the code with which it denies, and every line that keeps it from doing so.

    `percent` is the share of active keys that it may deny at most, as its file says.
    """

    service: str
    rule: str
    code: str
    edits: tuple[Edit, ...]
    percent: int


class NotFound(msgspec.Struct, frozen=True):
    """There is no such rule; these there are, each as `service: rule`."""

    known: tuple[str, ...]


def promotion_of(
    files: Mapping[str, bytes], rule: str, service: str | None, percent_default: int
) -> tuple[Promotion, ...] | NotFound:
    """The rule in every service that has it, or in the one that is named. The files are valid policies."""
    found, known = [], []
    for document in services_in(files):
        name = str(document.content["service"])
        rules = _rules(document)
        known += [f"{name}: {each}" for each in rules]
        if rule in rules and service in (None, name):
            edits = tuple(edit for place in _places(rules[rule]) if (edit := _edit(document, place)) is not None)
            found.append(Promotion(name, rule, _code(rule), edits, _percent(document, percent_default)))
    return tuple(found) if found else NotFound(tuple(sorted(known)))


def _rules(document: Document) -> dict[str, Path]:
    """Every rule that has a mode, with the path of its part."""
    rules: dict[str, Path] = {name: (name,) for name in ("client_ip", "auth", "abuse") if name in document.content}
    limits = document.content.get("limits")
    if isinstance(limits, Mapping):
        rules |= {f"limits.{name}": ("limits", name) for name in limits if name != _MODE}
    return rules


def _places(part: Path) -> tuple[Path, ...]:
    """Where a mode may lower a rule, from the file down to the rule; `auth` is lowered by itself alone."""
    above: tuple[Path, ...] = () if part == ("auth",) else tuple(part[:length] for length in range(len(part)))
    return tuple((*each, _MODE) for each in (*above, part))


def _edit(document: Document, place: Path) -> Edit | None:
    home, there = document.home(place)
    if there not in home.values:
        return None
    span = home.span(there)
    before = home.lines[span.line - 1]
    start, end = span.column - 1, span.column - 1 + span.width
    if before[start:end].strip("\"'") == "enforce":
        return None
    after = f"{before[:start]}enforce{before[end:]}"
    return Edit(home.file, span.line, ".".join(map(str, place)), before, after)


def _code(rule: str) -> str:
    """With what it denies; `auth.*` and `abuse.*` for all codes that begin so."""
    kind, _, name = rule.partition(".")
    return f"limit.{name}" if kind == "limits" else {"client_ip": "abuse.address_denied"}.get(rule, f"{rule}.*")


def _percent(document: Document, default: int) -> int:
    part = document.content.get("promotion")
    written = part.get("keys_denied") if isinstance(part, Mapping) else None
    return int(str(written).rstrip("%")) if written is not None else default
