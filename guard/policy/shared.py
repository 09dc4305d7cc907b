"""What services pull out of `_shared.yaml` by name: it is put where they pull it, and keeps its place in that file.

Nothing is merged: a name is either pulled or defined, and what is pulled is the whole of what stands there.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import structs

from guard.policy.diagnostic import Diagnostic, Severity, did_you_mean, quoted
from guard.policy.document import Document, Path, Span
from guard.policy.heuristics import shipped_signals
from guard.policy.shape import shape_shared

SHARED_FILE: Final = "_shared.yaml"

_USE: Final = "use"
_SECTIONS: Final = ("limits", "tiers", "signals", "ladder")
_MISSING: Final = {
    "limits": "no shared limit {}",
    "tiers": "no shared tier {}",
    "signals": "no signal {} is shared here, or comes with guard",
    "ladder": "no shared ladder {}",
}
_RESERVED: Final = frozenset({_USE, "mode"})


class Shared:
    """One `_shared.yaml`, or none. `faults` are what is wrong with it; then nothing can be pulled, and that is no other
    fault. What nobody has pulled so far is in `idle`.
    """

    def __init__(self, document: Document | None, *, unreadable: bool = False) -> None:
        self._document = document
        self.faults = () if document is None else tuple(_shared_faults(document))
        self.is_broken = unreadable or bool(self.faults)
        self._pulled: set[Path] = set()

    def names(self, section: str) -> Mapping[str, object]:
        """What there is of a kind, by name."""
        found = None if self._document is None or self.is_broken else self._document.content.get(section)
        return found if isinstance(found, Mapping) else {}

    def pull(self, section: str, name: str) -> tuple[Document, Path]:
        """Where it is written: `name` is one of `names`."""
        if self._document is None:
            raise KeyError(name)
        self._pulled.add((section, name))
        return self._document, (section, name)

    def missing(self) -> str:
        """What to say to somebody who pulls what is not there."""
        return f"no {quoted(SHARED_FILE)} stands beside this policy" if self._document is None else ""

    def idle(self) -> Iterator[Diagnostic]:
        """P219, a warning, for all that nobody has pulled."""
        for section in _SECTIONS:
            for name in self.names(section):
                if self._document is not None and (section, name) not in self._pulled:
                    message = f"no service uses {quoted(name)}, so that it does nothing"
                    hint = f"write `{_USE}` where it is meant, or leave it out"
                    place, warning = (section, name), Severity.WARNING
                    yield self._document.fault("P219", place, message, help_text=hint, key=True, severity=warning)


def with_shared(document: Document, shared: Shared) -> tuple[Document, tuple[Diagnostic, ...]]:
    """The policy with all that it pulls in its place; and names that are not there, or there twice."""
    pulling = _Pulling(document, shared)
    pulling.named(("limits",), "limits", ("limits",))
    pulling.named(("tiers",), "tiers", ("tiers",))
    pulling.named(("abuse",), "signals", ("abuse", "signals"), beside=shipped_signals())
    pulling.ladder()
    return pulling.document(), tuple(pulling.faults)


class _Pulling:
    """One policy while it pulls."""

    def __init__(self, document: Document, shared: Shared) -> None:
        self.faults: list[Diagnostic] = []
        self._document = document
        self._shared = shared
        self._content: dict[str, Any] = dict(document.content)
        self._values: dict[Path, Span] = dict(document.values)
        self._elsewhere: dict[Path, tuple[Document, Path]] = {}
        self._broken: set[str] = set()

    def document(self) -> Document:
        """The policy as it is now."""
        if self._content == self._document.content and not self._broken:
            return self._document
        return structs.replace(
            self._document,
            content=self._content,
            values=self._values,
            elsewhere=self._elsewhere,
            broken=frozenset(self._broken),
        )

    def named(self, at: Path, section: str, into: Path, *, beside: Iterable[str] = ()) -> None:
        """Pull what `use` of the part at `at` names. What stands `beside` it is found otherwise, and stays named."""
        part = self._content.get(str(at[0]))
        if not isinstance(part, Mapping) or _USE not in part:
            return
        names, place = part[_USE], (*at, _USE)
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names) or not names:
            self._fault(place, "P103", "expected a list of names", f"write `{_USE}: [NAME]`")
            names = []
        target = part if into == at else part.get(into[-1], {})
        own = {name: value for name, value in target.items() if name != _USE} if isinstance(target, Mapping) else {}
        known = self._shared.names(section)
        pulled: dict[str, object] = {}
        kept: list[str] = []
        for position, name in enumerate(names):
            here = (*place, position)
            if name in own or name in names[:position]:
                self._twice(here, (*into, name), name, names[:position])
            elif name in known:
                self._elsewhere[*into, name] = self._shared.pull(section, name)
                pulled[name] = known[name]
            elif name in beside:
                self._values[*place, len(kept)] = self._document.values[here]
                kept.append(name)
            else:
                self._unknown(here, name, section, (*known, *beside))
        left = {field: value for field, value in part.items() if field != _USE} | ({_USE: kept} if kept else {})
        self._content[str(at[0])] = {**pulled, **own} if into == at else left | _named(into, {**pulled, **own})

    def ladder(self) -> None:
        """The same of `ladder: {use: NAME}`."""
        abuse = self._content.get("abuse")
        written = abuse.get("ladder") if isinstance(abuse, Mapping) else None
        if not isinstance(abuse, Mapping) or not isinstance(written, Mapping):
            return
        place, name = ("abuse", "ladder", _USE), written.get(_USE)
        known = self._shared.names("ladder")
        left = {field: value for field, value in abuse.items() if field != "ladder"}
        if list(written) != [_USE] or not isinstance(name, str):
            self._fault(("abuse", "ladder"), "P103", "expected a list, or `use`", f"write `{{{_USE}: NAME}}`")
        elif name in known:
            self._elsewhere["abuse", "ladder"] = self._shared.pull("ladder", name)
            left["ladder"] = known[name]
        else:
            self._unknown(place, name, "ladder", tuple(known))
        self._content["abuse"] = left

    def _twice(self, here: Path, own: Path, name: str, before: Sequence[str]) -> None:
        place = (*here[:-1], before.index(name)) if name in before else own
        line = self._document.span(place, key=True).line
        hint = f"it is at line {line} too: leave it out of `{_USE}`, or name your own otherwise"
        self._fault(here, "P216", f"{quoted(name)} is there twice", hint)

    def _unknown(self, here: Path, name: str, section: str, known: Sequence[str]) -> None:
        if self._shared.is_broken:
            self._broken.add(str(here[0]))
            return
        hint = did_you_mean(name, known) or self._shared.missing()
        self._fault(here, "P216", _MISSING[section].format(quoted(name)), hint)

    def _fault(self, here: Path, code: str, message: str, hint: str) -> None:
        self._broken.add(str(here[0]))
        self.faults.append(self._document.fault(code, here, message, help_text=hint))


def _named(into: Path, parts: Mapping[str, object]) -> dict[str, object]:
    return {str(into[-1]): dict(parts)} if parts else {}


def _shared_faults(document: Document) -> Iterator[Diagnostic]:
    yield from shape_shared(document)
    for section in _SECTIONS:
        part = document.content.get(section)
        taken = shipped_signals() if section == "signals" else _RESERVED
        for name in part if isinstance(part, Mapping) else ():
            if name in taken:
                message = f"{quoted(name)} is the name of a signal that guard ships"
                if section != "signals":
                    message = f"{quoted(name)} is a word of the language"
                yield document.fault("P106", (section, name), message, help_text="name it otherwise", key=True)
