"""The way in: a policy directory, or one file of it, becomes what the core reads, or a list of what is wrong.

Which file is what says `files.py`. Whoever calls this decides what to do when it is Invalid; nothing of an invalid
directory is ever used.
"""

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from guard.model.policy import PolicySet
from guard.model.policy_versions import DIGEST_DIGITS
from guard.policy.case_files import CASES_ENDING
from guard.policy.cases import Case
from guard.policy.compile import Source, compile_all
from guard.policy.diagnostic import Diagnostic, Severity, in_order, quoted
from guard.policy.files import Fetch, among, read_files, with_its_tests
from guard.policy.names import LIST_ENDING
from guard.policy.schemes import SCHEME_ENDING, shipped_schemes, with_own_schemes
from guard.policy.shared import SHARED_FILE
from guard.policy.yaml_text import FILE_BYTES_MAX
from guard.signing.policy_signature import SIGNATURE_FILE
from guard.signing.scheme import Scheme

DIRECTORY_FILES_MAX = 500
DIRECTORY_BYTES_MAX = 4 << 20
"""Of all files together: each takes its time, and until all are read no other policies can come into force."""


class Loaded(msgspec.Struct, frozen=True):
    """Policies that are in order, but for their tests, which were not run: `cases`.

    `schemes` are those that some route accepts, by name; `contents` is what was read, by path, the
    signature too, which is not verified here.
    """

    policies: PolicySet
    schemes: dict[str, Scheme]
    contents: Mapping[str, bytes]
    warnings: tuple[Diagnostic, ...]
    cases: tuple[Case, ...] = ()


class Invalid(msgspec.Struct, frozen=True):
    """Everything that is wrong, warnings included, by file and position."""

    diagnostics: tuple[Diagnostic, ...]


def load_policies(
    directory: Path, *, environment: Mapping[str, str] = os.environ, granted: frozenset[str] | None = None
) -> Loaded | Invalid:
    """The policies of a directory, or of one file and its tests beside it. Never raises.

    `environment` is what `${NAME}` is looked up in. `granted` are the scopes that keys have, if somebody has looked:
    routes that need others are warned of.
    """
    contents: dict[Path, bytes] = {}
    bytes_left = DIRECTORY_BYTES_MAX
    faults: list[Diagnostic] = []
    try:
        directory.stat()
        alone = not directory.is_dir()
        paths = [directory, *_tests_beside(directory)] if alone else sorted(directory.iterdir())
    except OSError as fault:
        return Invalid((_unreadable(directory, fault),))
    for path in paths:
        wrong = _kind_fault(path.name, str(path), alone=path == directory)
        if wrong is not None:
            faults.append(wrong)
        elif _is_read(path.name):
            try:
                contents[path] = _read(path)
            except OSError as fault:
                faults.append(_unreadable(path, fault))
            bytes_left -= len(contents.get(path, b""))
            if bytes_left < 0 or len(contents) > DIRECTORY_FILES_MAX:  # knockout: directories_are_bounded
                return Invalid((_too_much(directory),))
    if alone:
        contents = with_its_tests(directory, contents)
    return _load(str(directory), contents, faults, environment, granted, fetch=_within(bytes_left))


def load_text(
    files: Mapping[str, str | bytes],
    *,
    environment: Mapping[str, str] | None = None,
    granted: frozenset[str] | None = None,
) -> Loaded | Invalid:
    """The same for contents at hand, by file name."""
    contents = {Path(name): text.encode() if isinstance(text, str) else text for name, text in files.items()}
    kinds = (_kind_fault(path.name, str(path), alone=path.suffix != LIST_ENDING) for path in contents)
    faults = [fault for fault in kinds if fault is not None]
    return _load("policies", contents, faults, environment or {}, granted)


def load_contents(contents: Mapping[str, bytes], *, environment: Mapping[str, str] = os.environ) -> Loaded | Invalid:
    """The same for what was read before: `Loaded.contents`, by path."""
    return _load("policies", {Path(path): content for path, content in contents.items()}, [], environment)


def fingerprint(contents: Mapping[str, bytes]) -> str:
    """Names these contents, and no others that anybody can make: all 64 digits of what a digest has 7 of."""
    return _hashed({Path(path): content for path, content in contents.items() if not path.endswith(SIGNATURE_FILE)})


def _load(
    shown: str,
    contents: Mapping[Path, bytes],
    faults: list[Diagnostic],
    environment: Mapping[str, str],
    granted: frozenset[str] | None = None,
    *,
    fetch: Fetch | None = None,
) -> Loaded | Invalid:
    """`fetch` is for what files name; without it, it has to be among the contents."""
    files = read_files(contents, fetch or among(contents))
    policy_files = {path: content for path, content in files.contents.items() if path.name != SIGNATURE_FILE}
    schemes_written = {path: content for path, content in policy_files.items() if path.name.endswith(SCHEME_ENDING)}
    sources = [
        Source(document, _digest({path: policy_files[path], **schemes_written, **files.beside(document)}))
        for document in files.services
        for path in (Path(document.file),)
    ]
    faults = [*faults, *files.faults]
    if not sources and not faults:
        hint = "a policy is a file that ends in `.yaml`"
        faults.append(Diagnostic(code="P192", message="no policy here", file=shown, help=hint))
    schemes, scheme_faults = with_own_schemes(shipped_schemes(), files.schemes, files.unreadable)
    compiled, policy_faults = compile_all(
        sources, schemes, _digest(policy_files), environment, case_files=files.cases, granted=granted
    )
    diagnostics = in_order([*faults, *scheme_faults, *policy_faults])
    if compiled is None or any(one.severity is Severity.ERROR for one in diagnostics):
        return Invalid(diagnostics)
    read = {str(path): content for path, content in files.contents.items()}
    return Loaded(compiled.policies, compiled.schemes, read, diagnostics, compiled.cases)


def _tests_beside(policy: Path) -> list[Path]:
    """What may be tests of a policy that is loaded alone. Raises OSError."""
    if policy.name.endswith((SCHEME_ENDING, CASES_ENDING)) or policy.name == SHARED_FILE:
        return []
    return sorted(path for path in policy.parent.iterdir() if path.name.endswith(CASES_ENDING))


def _is_read(name: str) -> bool:
    return name == SIGNATURE_FILE or (name.endswith(".yaml") and not name.startswith("."))


def _kind_fault(name: str, shown: str, *, alone: bool) -> Diagnostic | None:
    """Why a file of this name would be misunderstood if it were skipped or read."""
    if name.startswith("_") and name.endswith(".yaml") and name != SHARED_FILE:
        message = f"only {quoted(SHARED_FILE)} holds what services share"
    elif name.endswith(".yml") or (alone and not name.endswith(".yaml")):
        message = "a policy file ends in `.yaml`"
    else:
        return None
    return Diagnostic(code="P191", message=message, file=shown)


def _read(path: Path) -> bytes:
    """The file, or a little more of it than may be. Never waits for a pipe or a device."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("not a file")
        return file.read(FILE_BYTES_MAX + 1)


def _within(bytes_left: int) -> Fetch:
    """Reads what files name, until all of them together are too large."""
    left = [bytes_left]

    def fetch(path: Path) -> bytes:
        content = _read(path)
        left[0] -= len(content)
        if left[0] < 0:  # knockout: lists_are_bounded
            raise OSError(f"with it the files are more than {DIRECTORY_BYTES_MAX >> 20} MiB together")
        return content

    return fetch


def _unreadable(path: Path, fault: OSError) -> Diagnostic:
    return Diagnostic(code="Y019", message=f"cannot be read: {fault.strerror or fault}", file=str(path))


def _too_much(directory: Path) -> Diagnostic:
    message = f"more than {DIRECTORY_FILES_MAX} files or {DIRECTORY_BYTES_MAX >> 20} MiB together"
    return Diagnostic(code="Y014", message=message, file=str(directory))


def _digest(contents: Mapping[Path, bytes]) -> str:
    return _hashed(contents)[:DIGEST_DIGITS]


def _hashed(contents: Mapping[Path, bytes]) -> str:
    """Names and contents, each with its length before it, so that no two directories share it by accident."""
    digest = hashlib.sha256()
    for part in _parts(contents):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _parts(contents: Mapping[Path, bytes]) -> Iterable[bytes]:
    for path, content in contents.items():
        yield path.name.encode("utf-8", "surrogateescape")
        yield content
