"""What a policy says of the time in which the shared store does not answer, and what of it is not safe."""

from collections.abc import Iterator
from itertools import starmap
from typing import Final

import msgspec

from guard.model.policy import Loss, OnLoss
from guard.model.rules import Rule
from guard.policy.auth import route_reads
from guard.policy.diagnostic import Diagnostic, Severity
from guard.policy.document import Document, Path
from guard.policy.schema import PolicyFile, RoutePart
from guard.policy.store_part import OnFailurePart

_HALF: Final = Loss(limits=OnLoss.LOCAL, limits_percent=50)
_REPLAY: Final[Path] = ("store", "on_failure", "replay")


def compile_loss(part: OnFailurePart, *, critical: bool) -> Loss:
    """What holds for one route."""
    word = part.replay.critical if critical else part.replay.default
    return msgspec.structs.replace(part.limits or _HALF, replay=OnLoss(word))


def local_replay(document: Document, policy: PolicyFile) -> Rule | None:
    """The rule that lets each process alone say what it has not seen, where more than reading is done; None if none is.

    Cancels may: executing one twice does no more than once.
    """
    if policy.store.on_failure.replay.default != "local" or not any(starmap(_does_harm, policy.routes.items())):
        return None
    return Rule("store.on_failure.replay", document.name, document.span(_REPLAY).line)


def loss_faults(document: Document, policy: PolicyFile) -> Iterator[Diagnostic]:
    """Warnings only: how many processes there are is a setting, so that `guard serve` has the last word."""
    part = policy.store.on_failure.replay
    if "allow" in (part.default, part.critical):
        message = "while the store does not answer, a message that was executed before is executed again"
        yield document.fault("P406", _REPLAY, message, help_text="write deny or local", severity=Severity.WARNING)
    if local_replay(document, policy) is not None:
        message = "while the store does not answer, each process executes a message once: one process only may do so"
        hint = "write deny; with `critical: local`, cancels go on"
        yield document.fault("P408", _REPLAY, message, help_text=hint, severity=Severity.WARNING)


def _does_harm(key: str, route: RoutePart) -> bool:
    return route.priority != "critical" and not route_reads(key, route)
