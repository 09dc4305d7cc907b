"""All policy tests of a directory: those inside policies, and those of `*.test.yaml` files beside them."""

from collections.abc import Mapping, Sequence
from typing import Final

from guard.policy.case_schema import CasesFile
from guard.policy.cases import Case, compile_cases, too_many
from guard.policy.diagnostic import Diagnostic, did_you_mean, quoted
from guard.policy.document import Document
from guard.policy.shape import Shaped, shape_cases

CASES_ENDING: Final = ".test.yaml"


def read_cases(
    policies: Sequence[tuple[Document, Shaped]], files: Sequence[Document]
) -> tuple[tuple[Case, ...], list[Diagnostic]]:
    """The tests of these policies and files, in their order, and what is wrong with them."""
    cases: list[Case] = []
    faults: list[Diagnostic] = []
    limits: dict[str, frozenset[str] | None] = {}
    for document, shaped in policies:
        policy = shaped.policy
        known = None if "limits" in shaped.broken else frozenset(policy.limits.named)
        limits[policy.service] = known
        if known is not None:
            found, wrong = compile_cases(document, policy.service, policy.tests, known)
            cases += found
            faults += wrong
    for document in files:
        found, wrong = _of_file(document, limits)
        cases += found
        faults += wrong
    excess = too_many(cases)
    return tuple(cases), faults if excess is None else [*faults, excess]


def _of_file(
    document: Document, limits: Mapping[str, frozenset[str] | None]
) -> tuple[tuple[Case, ...], list[Diagnostic]]:
    shaped = shape_cases(document)
    if not isinstance(shaped, CasesFile):
        return (), list(shaped)
    if shaped.service not in limits:
        message = f"no service {quoted(shaped.service)} here"
        return (), [document.fault("P207", ("service",), message, help_text=did_you_mean(shaped.service, limits))]
    known = limits[shaped.service]
    return ((), []) if known is None else compile_cases(document, shaped.service, shaped.tests, known)
