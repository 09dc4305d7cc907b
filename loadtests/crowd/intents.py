"""Why a request is sent. Each intent is a name of its own in every report, so that a denial that is wanted (a replay, a
forgery, one order too many) is counted as a success of that name, and never hides one that is not.
"""

import msgspec

SERVED = "200"


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked, by route name, and which answers are right: `200`, or status and reason, as in `429 limit.key`.

    `legit`: a denial harms an honest trader. `cancels`: it must always be served. `once`: many copies are sent of one
    request, of which exactly one may be served.
    """

    name: str
    route: str
    expects: tuple[str, ...] = (SERVED,)
    legit: bool = False
    cancels: bool = False
    once: bool = False


def label(status: int, reason: str | None) -> str:
    """How an answer is written in `expects`, and counted in reports."""
    return f"{status} {reason}" if reason else str(status)
