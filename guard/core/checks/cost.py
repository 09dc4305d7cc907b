"""Could what the message costs be told?"""

from guard.core.evidence import Admission
from guard.model.decision import Deny


def cost_is_told(admission: Admission) -> Deny | None:
    """Its cost stands in it in one way, within bounds. If not, it has paid what it would have cost at least."""
    price = admission.verified.price
    if price is None or price.fault is None:
        return None
    return Deny(code=price.fault, rule=admission.verified.identified.route.rule, detail=price.detail)
