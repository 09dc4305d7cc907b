"""The files of a policy directory, each read as what its name says that it is, with the lists that services name.

Every `*.yaml` is one service, except that `*.scheme.yaml` is a signature scheme, `*.test.yaml` holds policy tests, and
`_shared.yaml` what services pull by name.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import structs

from guard.model.networks import Networks
from guard.policy.case_files import CASES_ENDING
from guard.policy.diagnostic import Diagnostic, quoted
from guard.policy.document import Document
from guard.policy.names import LIST_ENDING
from guard.policy.network_lists import lists_named, read_list
from guard.policy.schemes import SCHEME_ENDING
from guard.policy.shared import SHARED_FILE, Shared, with_shared
from guard.policy.yaml_source import read_document
from guard.signing.policy_signature import SIGNATURE_FILE

Fetch = Callable[[Path], bytes]
"""Reads a file that another one names. Raises OSError."""


class Files(msgspec.Struct, frozen=True):
    """What could be read. `contents` is all that was, the signature too, and what was named and is there.

    `unreadable` are the names of files that could not be, without the ending of schemes.
    """

    services: tuple[Document, ...]
    schemes: tuple[Document, ...]
    cases: tuple[Document, ...]
    contents: Mapping[Path, bytes]
    unreadable: frozenset[str]
    faults: tuple[Diagnostic, ...]

    def beside(self, document: Document) -> dict[Path, bytes]:
        """What it names in other files."""
        folder = Path(document.file).parent
        shared = {home.name for home, _ in document.elsewhere.values()}
        return {folder / name: self.contents[folder / name] for name in sorted({*shared, *document.lists})}


def read_files(contents: Mapping[Path, bytes], fetch: Fetch) -> Files:
    """All of them. `fetch` is for what they name, which is not looked for among `contents`."""
    read = {
        path: content for path, content in contents.items() if path.suffix != LIST_ENDING and path.name != SHARED_FILE
    }
    faults: list[Diagnostic] = []
    documents: list[Document] = []
    unreadable: set[str] = set()
    for path, content in read.items():
        document = None if path.name == SIGNATURE_FILE else read_document(content, str(path), path.name)
        if isinstance(document, Document):
            documents.append(document)
        elif document is not None:
            faults += document
            unreadable.add(path.name.removesuffix(SCHEME_ENDING))
    written = [one for one in documents if not one.name.endswith((SCHEME_ENDING, CASES_ENDING))]
    beside, shared, unreadable_shared = _shared(contents, written, fetch)
    faults += (*unreadable_shared, *shared.faults)
    lists = _Lists(fetch)
    services = []
    for document in written:
        whole, wrong = with_shared(document, shared)
        services.append(lists.put_into(whole))
        faults += wrong
    if set(beside) <= set(contents):  # of a policy that is loaded alone the others are not known
        faults += shared.idle()
    return Files(
        services=tuple(services),
        schemes=tuple(one for one in documents if one.name.endswith(SCHEME_ENDING)),
        cases=tuple(one for one in documents if one.name.endswith(CASES_ENDING)),
        contents={**read, **dict(sorted((beside | lists.contents).items()))},
        unreadable=frozenset(unreadable),
        faults=(*faults, *lists.faults),
    )


def with_its_tests(policy: Path, contents: Mapping[Path, bytes]) -> dict[Path, bytes]:
    """A policy that is loaded alone, and of the tests beside it all that do not say that they are another service's."""
    document = read_document(contents.get(policy, b""), str(policy), policy.name)
    if not isinstance(document, Document):
        return {path: content for path, content in contents.items() if path == policy}
    service = document.content.get("service")
    kept: dict[Path, bytes] = {}
    for path, content in sorted(contents.items()):
        beside = read_document(content, str(path), path.name)
        if not isinstance(beside, Document) or beside.content.get("service", service) == service:
            kept[path] = content
    return kept


def services_in(contents: Mapping[str, bytes]) -> tuple[Document, ...]:
    """The services of contents that were read and found in order before."""
    found = {Path(path): content for path, content in contents.items()}
    return read_files(found, among(found)).services


def among(contents: Mapping[Path, bytes]) -> Fetch:
    """For contents in which everything is that they name."""

    def fetch(path: Path) -> bytes:
        if path not in contents:
            raise FileNotFoundError(path)
        return contents[path]

    return fetch


def _shared(
    contents: Mapping[Path, bytes], written: Sequence[Document], fetch: Fetch
) -> tuple[dict[Path, bytes], Shared, tuple[Diagnostic, ...]]:
    """What these services share. It is looked for beside a policy that is loaded alone."""
    found = {path: content for path, content in contents.items() if path.name == SHARED_FILE}
    if not found and written:
        path = Path(written[0].file).parent / SHARED_FILE
        with suppress(OSError):
            found[path] = fetch(path)
    for path, content in found.items():
        document = read_document(content, str(path), path.name)
        if not isinstance(document, Document):
            return found, Shared(None, unreadable=True), document
        return found, Shared(document), ()
    return {}, Shared(None), ()


class _Lists:
    """The lists that services name, each read once."""

    def __init__(self, fetch: Fetch) -> None:
        self.contents: dict[Path, bytes] = {}
        self.faults: list[Diagnostic] = []
        self._fetch = fetch
        self._read: dict[Path, Networks | None] = {}

    def put_into(self, document: Document) -> Document:
        """The document with the lists that it names. One that cannot be read is left out, and that is a fault."""
        found: dict[str, Networks] = {}
        for place, name in lists_named(document).items():
            path = Path(document.file).parent / name
            try:
                networks = self._list(path)
            except OSError as fault:
                missing = isinstance(fault, FileNotFoundError)
                message = f"no file {quoted(name)}" if missing else f"cannot be read: {fault.strerror or fault}"
                hint = "a list stands beside the policy that names it"
                self.faults.append(document.fault("P111", place, message, help_text=hint))
                continue
            if networks is not None:
                found[name] = networks
        return structs.replace(document, lists=found) if found else document

    def _list(self, path: Path) -> Networks | None:
        if path not in self._read:
            self.contents[path] = self._fetch(path)
            networks = read_list(self.contents[path], str(path))
            self._read[path] = networks if isinstance(networks, Networks) else None
            self.faults += () if isinstance(networks, Networks) else networks
        return self._read[path]
