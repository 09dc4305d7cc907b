"""Every way in which the admin API says no, as problem+json (RFC 9457): one table, one place that forms the answer.

`errors` points into the body (a JSON Pointer as URI fragment, as in RFC 9457 section 3) or names a query parameter.
"""

from collections.abc import AsyncIterator
from typing import ClassVar

import msgspec

from guard.model.facts import Field


class Flaw(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is wrong with a request, and where."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of every answer that is not a success."""

    type: str
    title: str
    status: int
    code: str
    detail: str | None = None
    errors: tuple[Flaw, ...] = ()


class Lines(msgspec.Struct, frozen=True):
    """A body of lines, each written as it comes."""

    MEDIA_TYPE: ClassVar = "application/x-ndjson"

    lines: AsyncIterator[bytes]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Status, fields beside those that every answer has, and body."""

    status: int
    body: bytes | Lines
    media_type: bytes = b"application/json"
    fields: tuple[Field, ...] = ()


TITLES: dict[str, tuple[int, str]] = {
    "admin.malformed": (400, "The request cannot be understood"),
    "admin.unauthenticated": (401, "An administrator's token is needed"),
    "admin.forbidden": (403, "This token may not do that"),
    "admin.cross_origin": (403, "A page of another origin may not do that"),
    "admin.forwarded": (403, "The admin API is not reached through a gateway"),
    "admin.not_found": (404, "There is no such thing"),
    "admin.method": (405, "This resource has other methods"),
    "admin.timeout": (408, "The body did not arrive in time"),
    "admin.conflict": (409, "The state of things forbids it"),
    "admin.too_large": (413, "The body is too large"),
    "admin.media_type": (415, "The body must be application/json"),
    "admin.misdirected": (421, "The admin API does not answer to that host"),
    "admin.invalid": (422, "The request is understood and cannot be carried out"),
    "admin.throttled": (429, "Too many calls"),
    "admin.error": (500, "The admin API failed"),
    "admin.unavailable": (503, "The key database did not answer"),
}


class Refused(Exception):  # noqa: N818  # an answer, raised where it is found and formed in one place
    """The request is answered with this problem."""

    def __init__(
        self, code: str, detail: str = "", *, flaws: tuple[Flaw, ...] = (), fields: tuple[Field, ...] = ()
    ) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.flaws = flaws
        self.fields = fields

    def answer(self) -> Answer:
        """The problem as it is sent."""
        status, title = TITLES[self.code]
        problem = Problem(
            type=f"urn:guard:problem:{self.code}",
            title=title,
            status=status,
            code=self.code,
            detail=self.detail or None,
            errors=self.flaws,
        )
        body = msgspec.json.encode(problem)
        return Answer(status=status, body=body, media_type=b"application/problem+json", fields=self.fields)
