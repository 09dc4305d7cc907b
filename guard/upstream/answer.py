"""What came back from a backend: its answer, or why there is none.

Fields are as the backend sent them; which of them a client may see is `wire/forwarding.py`.
"""

import msgspec

from guard.model.exchange import Sent
from guard.model.facts import Field
from guard.upstream.body_stream import BodyStream


class Answer(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A backend's final answer. `fields` and `trailers` have names in lower case and values without outer white space.

    `body` is bytes where the whole of it has arrived (it is b"" after HEAD, 204 and 304), else an iterator that can be
    read once. `trailers` fills when the body ends. 1xx answers before it are swallowed.
    """

    status: int
    reason: bytes
    fields: tuple[Field, ...]
    body: bytes | BodyStream
    trailers: list[Field]

    def abandon(self) -> None:
        """Read no further: if the body has not ended, its connection is closed and never used again."""
        if isinstance(self.body, BodyStream):
            self.body.abandon()

    async def aclose(self) -> None:
        """The same as `abandon`, for `async with contextlib.aclosing`. Owed by whoever does not read to the end."""
        self.abandon()


class UpstreamFailure(Exception):  # noqa: N818  # what a backend did, not an error of ours
    """No answer, or only a part of one. `code` is a row of the reasons table; `source` is for the log, not for clients.

    `sent` says what became of the request: no byte was written, some were, or the head of an answer came back.
    """

    def __init__(self, code: str, sent: Sent, source: str) -> None:
        super().__init__(f"{code} (sent: {sent}): {source}")
        self.code = code
        self.sent = sent
        self.source = source
