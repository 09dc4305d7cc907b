"""Two services may not both be meant by one request.

A service that names the authority is asked before one that names none, so these two never compete. Services that share
an authority, or that both name none, must have prefixes of which neither holds the other.
"""

from collections.abc import Sequence

from guard.policy.diagnostic import Diagnostic, quoted
from guard.policy.document import Document
from guard.policy.schema import PolicyFile
from guard.policy.shape import Shaped


def overlap_faults(files: Sequence[tuple[Document, Shaped]]) -> list[Diagnostic]:
    """At most one name fault and one overlap a file: with the first file before it."""
    faults: list[Diagnostic] = []
    named: dict[str, Document] = {}
    matching: list[tuple[Document, PolicyFile]] = []
    for document, shaped in files:
        policy = shaped.policy
        if "service" not in shaped.broken:
            first = named.setdefault(policy.service, document)
            if first is not document:
                message = f"the service {quoted(policy.service)} is also in {first.file}"
                faults.append(document.fault("P205", ("service",), message))
        if "match" not in shaped.broken:
            other = next((one for one in matching if _overlap(one[1], policy)), None)
            if other is not None:
                faults.append(_fault(document, policy, *other))
            matching.append((document, policy))
    return faults


def _overlap(a: PolicyFile, b: PolicyFile) -> bool:
    alike = bool(set(a.match.hosts) & set(b.match.hosts)) or (not a.match.hosts and not b.match.hosts)
    return alike and (_holds(a.match.prefix, b.match.prefix) or _holds(b.match.prefix, a.match.prefix))


def _holds(outer: str, inner: str) -> bool:
    return inner == outer or inner.startswith(outer.rstrip("/") + "/")


def _fault(document: Document, policy: PolicyFile, first: Document, other: PolicyFile) -> Diagnostic:
    line = first.span(("match",), key=True).line
    shared = sorted(set(policy.match.hosts) & set(other.match.hosts))
    where = f"at {shared[0]}" if shared else "at any authority"
    message = (
        f"matches the same requests as {quoted(other.service)} ({first.file}:{line}): "
        f"{quoted(policy.match.prefix)} and {quoted(other.match.prefix)} {where}"
    )
    hint = "give them hosts of their own, or prefixes of which neither holds the other"
    return document.fault("P306", ("match",), message, help_text=hint, key=True)
