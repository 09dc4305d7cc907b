"""What the listener says no to before, or instead of, an application: a problem in the form of all other refusals."""

import secrets

import structlog

from guard.model.decision import Deny
from guard.model.exchange import Sent
from guard.model.names import RequestId
from guard.server.answer import Answer
from guard.wire.problem import problem

_REALM = "guard"

_log = structlog.get_logger()


def refusal(code: str, sent: Sent, client: tuple[str, int] | None, *, verb: str = "GET") -> bytes:
    """The whole answer, which ends its connection, with a request id that the log knows too."""
    request_id = RequestId("req_" + secrets.token_hex(12))
    told = problem(Deny(code=code), request_id, sent, service=_REALM)
    _log.info("listener.refused", code=code, sent=sent.value, request_id=request_id, peer=client and client[0])
    answer = Answer(verb, "1.1", closes=True)
    answer.start(told.status, told.fields)
    return b"".join(answer.part(told.body, more=False))
