"""Is there room in every bucket that counts this message? The store has asked and spent; here its answer is read."""

from msgspec import structs

from guard.core.evidence import Admission
from guard.model.decision import Deny
from guard.model.questions import Granted, Reading, Short


def limits_have_room(admission: Admission) -> Deny | None:
    """Every bucket had the tokens. If one had not, nothing was taken from any."""
    if isinstance(admission.receipt, (Granted, Short)):
        return short_limit(admission.receipt.readings)
    return Deny(code="store.unavailable", wait_ms=1000)


def short_limit(readings: tuple[Reading, ...]) -> Deny | None:
    """The Deny of the limit that keeps the message out for longest; of a shadow limit only if no other was short.

    Each other shadow limit that was short stands beside it: none hides what another would have refused.
    """
    short = [reading for reading in readings if reading.short]
    if not short:
        return None
    worst = max(short, key=_severity)
    beside = [_deny(reading, readings) for reading in short if reading is not worst and not reading.vetoes]
    return structs.replace(_deny(worst, readings), shadow=tuple(beside))


def _deny(short: Reading, readings: tuple[Reading, ...]) -> Deny:
    limit = short.limit
    return Deny(
        code=f"limit.{limit.name}", rule=limit.rule, wait_ms=short.wait_ms, readings=readings, detail=_detail(short)
    )


def _severity(reading: Reading) -> tuple[bool, bool, int]:
    return reading.vetoes, reading.wait_ms is None, reading.wait_ms or 0


def _detail(reading: Reading) -> str:
    if not reading.limit.exposed:
        return ""
    need = f'needs {reading.cost} of "{reading.limit.name}", {reading.usable} left'
    return f"{need}; try again in {reading.wait_ms} ms" if reading.wait_ms is not None else f"{need}; can never fit"
