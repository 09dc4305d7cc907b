"""The signature schemes that policies may name: those that guard ships, and those of the policy directory.

Both are YAML and read by the same strict loader; `signing.profile` makes Schemes of them.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path

import msgspec

from guard.policy.diagnostic import Diagnostic, quoted
from guard.policy.document import Document
from guard.policy.names import NameFault, identifier
from guard.policy.yaml_source import read_document
from guard.signing.profile import ProfileFault, compile_profile
from guard.signing.scheme import Scheme

API_KEY = "api-key"
API_KEY_FIELD = "guard-api-key"
SCHEME_ENDING = ".scheme.yaml"

Profile = Mapping[str, object]


class Schemes(msgspec.Struct, frozen=True):
    """Every scheme by name, and its profile. `broken` are names whose own files say what is wrong with them."""

    compiled: Mapping[str, Scheme]
    profiles: Mapping[str, Profile]
    broken: frozenset[str] = frozenset()

    def api_key_in(self, field: str) -> Scheme:
        """The scheme api-key, in another field and under a name of its own."""
        profile = {**self.profiles[API_KEY], "take": {"credential": [f"header:{field}"]}}
        return compile_profile(f"{API_KEY}:{field}", profile, self.profiles)


def rewritten_schemes(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> frozenset[str]:
    """The own schemes of either of two sets of files, by path, if any of them was changed: one may build on another."""
    before, after = (
        {Path(path).name: content for path, content in each.items() if path.endswith(SCHEME_ENDING)}
        for each in (old, new)
    )
    if before == after:
        return frozenset()
    return frozenset(name.removesuffix(SCHEME_ENDING) for name in (*before, *after))


@cache  # they cannot change while we run, and reading them is most of what loading a small policy costs
def shipped_schemes() -> Schemes:
    """The schemes that come with guard. A fault in one of them is a bug."""
    profiles: dict[str, Profile] = {}
    for entry in sorted((resources.files("guard.signing") / "profiles").iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".yaml"):
            document = read_document(entry.read_bytes(), entry.name)
            if not isinstance(document, Document):
                raise ValueError(f"{entry.name}: {document}")
            profiles[entry.name.removesuffix(".yaml")] = document.content
    return Schemes({name: compile_profile(name, profile, profiles) for name, profile in profiles.items()}, profiles)


def with_own_schemes(
    shipped: Schemes, documents: Sequence[Document], unreadable: frozenset[str]
) -> tuple[Schemes, list[Diagnostic]]:
    """The shipped schemes and those of the directory, and what is wrong with the latter.

    `unreadable` are the names of scheme files that could not be read: they are probably those of their schemes.
    """
    profiles, broken = dict(shipped.profiles), set(unreadable)
    faults: list[Diagnostic] = []
    own: dict[str, Document] = {}
    for document in documents:
        fault = _name_fault(document, own, shipped)
        if fault is not None:
            faults.append(fault)
            broken.add(document.name.removesuffix(SCHEME_ENDING))
            continue
        name = str(document.content["scheme"])
        own[name] = document
        profiles[name] = {key: value for key, value in document.content.items() if key != "scheme"}
    compiled = dict(shipped.compiled)
    for name, document in own.items():
        try:
            compiled[name] = compile_profile(name, profiles[name], profiles)
        except ProfileFault as fault_:
            broken.add(name)
            faults.append(document.fault("P204", fault_.path, f"the scheme {quoted(name)}: {fault_.message}"))
    return Schemes(compiled, profiles, frozenset(broken)), faults


def _name_fault(document: Document, own: Mapping[str, Document], shipped: Schemes) -> Diagnostic | None:
    if "scheme" not in document.content:
        return document.fault("P105", (), "the field `scheme` is missing: it names the scheme")
    try:
        name = identifier(document.content["scheme"])
    except NameFault as fault:
        shown = f"{quoted(document.content['scheme'])} {fault.message}"
        return document.fault(fault.code, ("scheme",), shown, help_text=fault.help_text)
    if name in shipped.profiles:
        return document.fault("P205", ("scheme",), f"{quoted(name)} ships with guard", help_text="choose another name")
    if name in own:
        return document.fault("P205", ("scheme",), f"{quoted(name)} is also defined in {own[name].file}")
    return None
