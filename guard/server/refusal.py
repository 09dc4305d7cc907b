"""What the listener says no to before, or instead of, an application: a problem in the form of all other refusals."""

import secrets
from enum import StrEnum

import msgspec
import structlog

from guard.model.decision import Deny
from guard.model.exchange import Sent
from guard.model.names import RequestId
from guard.server.answer import Answer
from guard.wire.problem import problem

_REALM = "guard"

_log = structlog.get_logger()


class Stage(StrEnum):
    """How far the client had come."""

    CONNECTION = "connection"
    PROXY = "proxy"
    TLS = "tls"
    HEAD = "head"
    BODY = "body"
    ANSWER = "answer"


class Refused(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A refusal of the listener's own. `status` is None where the connection was closed without an answer.

    `address` is the client's, as far as it is known; `detail` is for the operator.
    """

    code: str
    status: int | None
    request_id: RequestId
    sent: Sent
    address: str | None
    stage: Stage
    detail: str = ""


def refusal(code: str, sent: Sent, address: str | None, stage: Stage, *, verb: str = "GET") -> tuple[bytes, Refused]:
    """The whole answer, which ends its connection, and what is to be remembered of it under the same request id."""
    request_id = _request_id()
    told = problem(Deny(code=code), request_id, sent, service=_REALM)
    answer = Answer(verb, "1.1", closes=True)
    answer.start(told.status, told.fields)
    refused = Refused(code=code, status=told.status, request_id=request_id, sent=sent, address=address, stage=stage)
    return b"".join(answer.part(told.body, more=False)), refused


def silent_refusal(code: str, address: str | None, stage: Stage, detail: str) -> Refused:
    """What is to be remembered of a connection that is closed without a word, since nobody was there to read one."""
    return Refused(
        code=code,
        status=None,
        request_id=_request_id(),
        sent=Sent.NO,
        address=address,
        stage=stage,
        detail=detail,
    )


def log_refused(refused: Refused) -> None:
    """A line in the operator's log."""
    _log.info("listener.refused", **msgspec.structs.asdict(refused))


def _request_id() -> RequestId:
    return RequestId("req_" + secrets.token_hex(12))
