"""Is the request within what its key is kept to? A key may be kept to some uses, and to some values of resources."""

from guard.core.evidence import Hearing
from guard.core.resources import outside
from guard.core.stages import Identified
from guard.model.decision import Deny
from guard.model.facts import BodyRead
from guard.model.keys import Bounds, KeyUse
from guard.model.policy import Route
from guard.model.resources import ANY


def use_is_within_bounds(hearing: Hearing) -> Deny | None:
    """A key that is kept to reads or to cancels does nothing else."""
    record, identified = hearing.signed.screened.record, hearing.signed.screened.identified
    if record is None or record.bounds is None or not record.bounds.uses:
        return None
    if _is_one_of(identified.route, record.bounds):
        return None
    return _outside(identified, f"this key is for {' and '.join(record.bounds.uses)} alone")


def resources_are_within_bounds(hearing: Hearing) -> Deny | None:
    """Of each resource that the key is kept to, the request names values, and none but those that are allowed."""
    record, identified = hearing.signed.screened.record, hearing.signed.screened.identified
    if record is None or record.bounds is None:
        return None
    content = hearing.body.content if isinstance(hearing.body, BodyRead) else None
    for name, allowed in record.bounds.only.items():
        places = identified.route.resources.get(name)
        if places is None:
            return _outside(
                identified, f'this route does not say which "{name}" it is about, and the key is kept to some'
            )
        if places == ANY:
            continue
        fault = outside(places, hearing.facts, content, allowed)
        if fault is not None:  # knockout: resource_outside
            return _outside(identified, f'this key is kept to some "{name}": {fault}')
    return None


def _is_one_of(route: Route, bounds: Bounds) -> bool:
    return (route.reads and KeyUse.READS in bounds.uses) or (route.critical and KeyUse.CANCELS in bounds.uses)


def _outside(identified: Identified, detail: str) -> Deny:
    return Deny(code="authz.bounds", rule=None if identified.auth is None else identified.auth.rule, detail=detail)
