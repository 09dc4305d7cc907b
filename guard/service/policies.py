"""The way into force: a directory is loaded, checked and tested, and only then are there rules."""

from collections.abc import Mapping
from pathlib import Path

from guard.policy.diagnostic import in_order
from guard.policy.load import Invalid, Loaded, load_contents, load_policies
from guard.policy.signed import signature_fault
from guard.service.policy_tests import rehearse
from guard.service.rulebook import Rulebook, Rules

__all__ = ["Rulebook", "Rules", "accepted", "moved", "read_rulebook", "restored", "rulebook_of", "tested", "untested"]


def read_rulebook(directory: Path, signers: Path | None = None) -> Rulebook | Invalid:
    """The rules of a directory, or every diagnostic that keeps them from being in force: a test that fails is one.

    With `signers`, a file of public keys, one of those must have signed it.
    """
    return accepted(load_policies(directory), signers)


def rulebook_of(files: Mapping[str, bytes]) -> Rulebook | Invalid:
    """The rules of contents that were read and tested before, here or by another process: `Rulebook.files`."""
    loaded = load_contents(files)
    return loaded if isinstance(loaded, Invalid) else untested(loaded)


def restored(files: Mapping[str, bytes], signers: Path | None = None) -> Rulebook | Invalid:
    """The same for contents that were in force once: this program may be another one, and others may sign."""
    return accepted(load_contents(files), signers)


def moved(files: Mapping[str, bytes], beside: Mapping[str, bytes]) -> dict[str, bytes]:
    """The same files in the folder of those beside them: another node may keep its own elsewhere, and what a policy
    names by a path begins at its folder.
    """
    folders = [Path(path).parent for path in beside]
    return {str(folders[0] / Path(path).name) if folders else path: content for path, content in files.items()}


def accepted(loaded: Loaded | Invalid, signers: Path | None) -> Rulebook | Invalid:
    """The rules, if they are signed by whom they must be, and then none of their tests fails."""
    if isinstance(loaded, Invalid):
        return loaded
    fault = signature_fault(loaded.contents, signers)
    return tested(loaded) if fault is None else Invalid(in_order([*loaded.warnings, fault]))


def tested(loaded: Loaded) -> Rulebook | Invalid:
    """The rules, if none of their tests fails but those that are to be done."""
    rules = untested(loaded)
    failures = [verdict.failure for verdict in (rehearse(rules, case) for case in loaded.cases if not case.todo)]
    failed = [failure for failure in failures if failure is not None]
    return Invalid(in_order([*loaded.warnings, *failed])) if failed else rules


def untested(loaded: Loaded) -> Rulebook:
    """The rules as they are written, whatever comes of their tests."""
    return Rulebook(
        policies=loaded.policies, schemes=loaded.schemes, warnings=loaded.warnings, files=dict(loaded.contents)
    )
