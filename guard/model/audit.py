"""What the audit trail tells: what a deed touched, the record of it, and the checkpoint that a gateway signs.

How they become bytes is `wire/audit_lines.py`; what their hashes and signatures prove is `signing/audit_chain.py`.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from guard.model.names import UnixMs

AUDIT_FORMAT = 1
"""The version of both documents."""

BEFORE_THE_FIRST = "0" * 64
"""The hash that the first record follows."""


class Subject(msgspec.Struct, frozen=True):
    """What a deed is done to: a key, a ban, a policy, an administrator's token, … and its id."""

    kind: str
    id: str


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """Who does what, when, from where and why. `origin` is an address, or `cli` and a host; empty if nobody told."""

    command: str
    actor: str
    why: str
    at: UnixMs
    origin: str = ""


class Touched(msgspec.Struct, frozen=True, kw_only=True):
    """One subject as it was and as it is, as JSON values without any secret; None where it was not, or is no more."""

    subject: Subject
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True, rename={"origin": "from"}, forbid_unknown_fields=True):
    """One link of the chain. `previous` is the hash of the record before; `revision` that of the change, if it has one.

    Numbers are 1, 2, 3, … without a gap.
    """

    version: int = AUDIT_FORMAT
    number: int
    previous: str
    revision: int | None
    at_ms: int
    actor: str
    origin: str
    command: str
    subject: Subject
    why: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The word of `key` that at `at_ms` there were `count` records, and that the last of them had this hash."""

    version: int = AUDIT_FORMAT
    count: int
    hash: str
    at_ms: int
    key: str
