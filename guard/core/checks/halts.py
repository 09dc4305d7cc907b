"""Has an operator stopped it? Asked on arrival of what it is for, and once it is proved who sends it, of them.

A halt is the gateway's own rule: no policy has it in shadow. Only that there is one is told, never why.
"""

from guard.core.evidence import Admission, Arrival, Departure
from guard.model.decision import Deny
from guard.model.halts import Halt, Halts
from guard.model.keys import KeyRecord
from guard.model.policy import Route

_AGAIN_MS = 5000


def service_is_not_halted(arrival: Arrival) -> Deny | None:
    """Neither the service nor everything is halted for such routes. Open routes are asked too."""
    return _service_fault(arrival.halts, arrival.routed.service.name, arrival.routed.route)


def holder_is_not_halted(departure: Departure) -> Deny | None:
    """Neither the key nor its account is halted for such routes. Nothing is spent on a message that would not go."""
    verified = departure.verified
    return _holder_fault(departure.halts, verified.record, verified.identified.route)


def service_is_still_not_halted(admission: Admission) -> Deny | None:
    """The same, with the halts as they are now."""
    identified = admission.verified.identified
    return _service_fault(admission.halts, identified.service.name, identified.route)


def holder_is_still_not_halted(admission: Admission) -> Deny | None:
    """The same, with the halts as they are now."""
    return _holder_fault(admission.halts, admission.verified.record, admission.verified.identified.route)


def _service_fault(halts: Halts, service: str, route: Route) -> Deny | None:
    stopped = any(_stops(halt, route) for halt in halts.over_service(service))
    return Deny(code="gateway.halted", wait_ms=_AGAIN_MS) if stopped else None


def _holder_fault(halts: Halts, record: KeyRecord | None, route: Route) -> Deny | None:
    if record is None:
        return None
    stopped = any(_stops(halt, route) for halt in halts.over_holder(record.id, record.account))
    return Deny(code="authz.halted") if stopped else None


def _stops(halt: Halt, route: Route) -> bool:
    """A cancel is no read, and a read no cancel: each passes only where the halt says so."""
    return not ((halt.reads_only and route.reads) or (halt.with_cancels and route.critical))
